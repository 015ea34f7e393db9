"""What streams of other encodings get in place of the characters that they lack."""

from __future__ import annotations

import io
import sys

import pytest

import search
from constraints.output.plain import fall_back, one_line, sentence, visible


def written(text: str, encoding: str) -> str:
    """What a stream of an encoding holds, in that encoding."""
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding)
    fall_back(stream)
    stream.write(text)
    stream.flush()
    return content.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "a│±▁█→é\N{HIRAGANA LETTER A}"),
        ("cp1252", "a|±_#>é\\u3042"),
        ("ascii", "a|+-_#>\\xe9\\u3042"),
    ],
)
def test_what_an_encoding_lacks_is_written_plainly(encoding: str, expected: str) -> None:
    assert written("a│±▁█→é\N{HIRAGANA LETTER A}", encoding) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mEVIL\x07", "␛[31mEVIL␇"),
        ("a\x9b2J\u202eb\x7f", "a\N{REPLACEMENT CHARACTER}2J\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        ("±\ta\n\N{NO-BREAK SPACE}é", "±\ta\n\N{NO-BREAK SPACE}é"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text: str, expected: str) -> None:
    assert visible(text) == expected
    assert len(visible(text)) == len(text)


def test_an_error_s_line_has_no_escape(capsys: pytest.CaptureFixture[str]) -> None:
    search.run(["validate", "\x1b]0;title\x07.py"])
    assert "\x1b" not in (said := capsys.readouterr().err)
    assert said.startswith("error: ")


def test_a_name_that_is_no_unicode_is_written_by_its_bytes() -> None:
    assert written("caf\udce9", "utf-8") == "caf\\udce9"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", [["space", "tiny"], ["show", "seed"], ["--help"], ["validate", "none.py"]])
def test_commands_write_to_such_streams(monkeypatch: pytest.MonkeyPatch, encoding: str, command: list[str]) -> None:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding, errors="strict", write_through=True)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    code = search.run(command)
    text = content.getvalue().decode(encoding)
    assert code in {0, 1, 2}
    assert "Unicode" not in text
    assert text


def test_a_name_in_a_line_ends_no_line() -> None:
    assert one_line("a\nb\tc\x1b[1m") == "a␊b␉c␛[1m"


def test_an_error_is_one_line_of_readable_length() -> None:
    path = "/" + "folder/" * 30
    assert sentence(f"cannot read\n {path}:  give another") == f"cannot read {path}: give another"
    assert sentence(f"no study {'n' * 1000}: name one") == f"no study {'n' * 120}...{'n' * 79}: name one"
    long = sentence(f"no study {'n ' * 3000}: name one")
    assert len(long) == 1200 + 3 + 800
    assert long.endswith(" : name one")
