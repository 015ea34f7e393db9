"""What streams of other encodings get in place of the characters that they lack."""

from __future__ import annotations

import io
import sys

import pytest

import search
from constraints.output.plain import fall_back


def written(text: str, encoding: str) -> str:
    """What a stream of an encoding holds, in that encoding."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    fall_back(stream)
    stream.write(text)
    stream.flush()
    content: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return content.decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "a│±▁█→é\N{HIRAGANA LETTER A}"),
        ("cp1252", "a|±_#->é\\u3042"),
        ("ascii", "a|+-_#->\\xe9\\u3042"),
    ],
)
def test_what_an_encoding_lacks_is_written_plainly(encoding: str, expected: str) -> None:
    assert written("a│±▁█→é\N{HIRAGANA LETTER A}", encoding) == expected


def test_a_name_that_is_no_unicode_is_written_by_its_bytes() -> None:
    assert written("caf\udce9", "utf-8") == "caf\\udce9"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", [["space", "tiny"], ["show", "seed"], ["--help"], ["validate", "none.py"]])
def test_commands_write_to_such_streams(monkeypatch: pytest.MonkeyPatch, encoding: str, command: list[str]) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict"))
    code = search.run(command)
    streams = [sys.stdout, sys.stderr]
    text = "".join(stream.detach().getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]
    assert code in {0, 1, 2}
    assert "Unicode" not in text
    assert text
