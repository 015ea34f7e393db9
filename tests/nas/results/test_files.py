from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.results.files import write_text


def test_a_text_is_written_or_the_error_names_the_place(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()
    with pytest.raises(UnusableInputError, match=r"^cannot write .*none/a\.txt: No such file or directory: give a wri"):
        write_text(tmp_path / "none" / "a.txt", "")
