"""The text of a file with its encoding, as a patch must write it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.source_text import decoded, editable


@pytest.mark.parametrize(
    ("text", "written", "encoding"),
    [
        ("x = 1\r\n", "utf-8", "utf-8"),
        ("\ufeffx = 'ü'\n", "utf-8", "utf-8"),
        ("# coding: latin-1\nx = 'ü'\n", "latin-1", "iso-8859-1"),
    ],
)
def test_marks_and_line_ends_are_kept(tmp_path: Path, text: str, written: str, encoding: str) -> None:
    (tmp_path / "a.py").write_bytes(text.encode(written))
    assert decoded(tmp_path / "a.py") == (text, encoding)
    assert editable(tmp_path / "a.py") == (text, encoding)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x = 1\ry = 2\r", "end in CR alone"),
        (b"x = 1\r\ny = 2\r", "end in CR alone"),
        (b"# coding: nothing\n", "cannot decode .*unknown encoding"),
        (b"# coding: rot13\n", "cannot decode .*not a text encoding"),
        (b"x = '\xff'\n", "cannot decode"),
        (b"# coding: ascii\n#\n#\nx = '\xff'\n", "cannot decode"),
    ],
)
def test_what_no_patch_is_written_of(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.py").write_bytes(data)
    with pytest.raises(UnusableInputError, match=reason):
        decoded(tmp_path / "a.py")
