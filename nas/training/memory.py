"""How much memory this process may use: the machine's, or less in a container."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_FILES = {"": "memory.max", "memory": "memory/memory.limit_in_bytes"}
"""Controllers in a line of ``/proc/self/cgroup`` (none in version 2) -> the file of the limit, in the topmost group."""


def usable_bytes(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """The smallest of the machine's memory and the limits of the control groups (both versions) around this process.

    ``groups`` is the folder of all control groups, ``own`` the file that names those of this process. What cannot be
    read is no limit.
    """
    return min([_machine_bytes(), *_limits(groups, own)])


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize


def _limits(groups: Path, own: Path) -> Iterator[int]:
    for line in _text(own).splitlines():
        _, controllers, group = line.split(":", 2)
        for name in controllers.split(","):
            if name in _FILES:
                top = groups / _FILES[name]
                inner = top.parent / group.strip("/")
                # A container may see its own group as the topmost one, and its group's name from outside.
                for folder in (inner, *inner.parents):
                    limit = _text(folder / top.name).strip() if folder.is_relative_to(top.parent) else ""
                    if limit.isdecimal():  # not "max"
                        yield int(limit)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
