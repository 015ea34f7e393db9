from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from nas import atomic


def test_text_and_bytes_take_the_place_of_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "file"
    for content, wanted in (("\u00e9", b"\xc3\xa9"), (b"\x00\xff", b"\x00\xff"), (memoryview(b"ab"), b"ab"), ("", b"")):
        atomic.write(place, content, is_durable=bool(wanted))
        assert place.read_bytes() == wanted
        assert list(tmp_path.iterdir()) == [place]


def test_others_may_read_it_as_any_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        atomic.write(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_where_the_disk_is_full_the_old_file_stays_and_no_draft(tmp_path: Path) -> None:
    place = tmp_path / "file"
    atomic.write(place, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            atomic.write(place, "x" * 11)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert place.read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "none" / "file", "x")


def test_drafts_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("file", "file.4711.tmp", "tmp", "file.tmp.json"):
        (tmp_path / name).write_text("")
    atomic.remove_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "file.tmp.json", "tmp"]
