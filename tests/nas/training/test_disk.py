"""Disk space that is reserved before an array is written through a memory map."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas.training.disk import reserve

SIZE = 1 << 20


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves nothing")
def test_a_file_gets_its_blocks_and_keeps_size_and_content(tmp_path: Path) -> None:
    file = sparse(tmp_path / "array", SIZE)
    with file.open("r+b") as opened:
        opened.write(b"head")
    reserve(file)
    assert file.stat().st_size == SIZE
    assert file.stat().st_blocks * 512 >= SIZE
    assert file.read_bytes() == b"head" + bytes(SIZE - 4)


def test_a_file_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reserve(tmp_path / "none")
