"""Files of networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.architecture.text_files import lines


def test_a_file_stands_for_its_lines_each_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "nets.txt"
    file.write_text("# first\n\nseed  # by hand\nBR/c8/fc\n", "utf-8")
    assert list(lines(["net.py", str(file)])) == [("net.py", ""), ("seed", f"{file}:3: "), ("BR/c8/fc", f"{file}:4: ")]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "nets.txt"
    file.write_bytes(b"\xef\xbb\xbfseed\r\n")
    assert list(lines([str(file)])) == [("seed", f"{file}:1: ")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "No such file"),
        (b"\xff", "can't decode byte 0xff"),
        (b"# nothing\n", "no network in .*: write one a line"),
    ],
)
def test_a_file_without_networks_is_said(tmp_path: Path, data: bytes | None, reason: str) -> None:
    file = tmp_path / "nets.txt"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(UnusableInputError, match=reason):
        list(lines([str(file)]))
