"""Memory that a process may use, by limits in files as the system has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas.training.memory import usable_bytes

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
UNLIMITED = 9223372036854771712
"""What version 1 has where there is no limit."""


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": "1000"}, 1000),
        ("0::/a/b\n", {"memory.max": "9000", "a/memory.max": "2000", "a/b/memory.max": "max"}, 2000),
        ("0::/of/the/host\n", {"memory.max": "3000"}, 3000),
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/\n", {}, MACHINE),
        ("0::/../x\n", {"memory.max": "4000"}, 4000),
        ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "5000"}, 5000),
        ("5:cpu,memory:/a\n0::/\n", {"memory/memory.limit_in_bytes": "6000", "memory.max": "7000"}, 6000),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": str(UNLIMITED)}, MACHINE),
        ("3:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "1000"}, MACHINE),
        ("", {"memory.max": "1000"}, MACHINE),
    ],
)
def test_the_smallest_limit_counts(tmp_path: Path, own: str, limits: dict[str, str], expected: int) -> None:
    (tmp_path / "own").write_text(own)
    for name, limit in limits.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(f"{limit}\n")
    assert usable_bytes(tmp_path / "groups", tmp_path / "own") == expected


def test_a_system_without_control_groups_has_all_of_its_memory(tmp_path: Path) -> None:
    assert usable_bytes(tmp_path, tmp_path / "none") == MACHINE


def test_this_process_may_use_some_memory_but_no_more_than_there_is() -> None:
    assert 0 < usable_bytes() <= MACHINE
