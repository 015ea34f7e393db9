from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.results.files import check_folder, write_text


def test_a_text_is_written_or_the_error_names_the_place(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()
    with pytest.raises(UnusableInputError, match=r"^cannot write .*none/a\.txt: No such file or directory: give a wri"):
        write_text(tmp_path / "none" / "a.txt", "")


def test_a_file_without_a_folder_is_refused_before_its_text_is_made(tmp_path: Path) -> None:
    check_folder(tmp_path / "a.txt")
    write_text(tmp_path / "a.txt", "")
    for place, why in (("none/a.txt", "No such file or directory"), ("a.txt/b", "Not a directory")):
        with pytest.raises(UnusableInputError) as caught:
            check_folder(tmp_path / place)
        assert str(caught.value) == f"cannot write {tmp_path / place}: {why}: give a writable path"
