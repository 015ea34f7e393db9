"""Removes the decoded copies of the same data in an older format, once there is one in the present format."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_PROCESSES = Path("/proc")
_NAME = re.compile(r"(?P<key>.+)-v(?P<version>\d+)")


def remove_older(place: Path) -> str:
    """Remove copies beside the decoded copy ``place`` with its key and a lower version; returns what was removed.

    One that a process of this machine has open, or may have where that cannot be known, is kept: a search of an earlier
    release opens its copy again for every new worker. So is one that another process is making or removing. Processes
    of other machines that share the folder are not seen.
    """
    sizes = [size for copy in _older(place) if (size := _removed(copy))]
    if not sizes:
        return ""
    copies = "1 decoded copy" if len(sizes) == 1 else f"{len(sizes)} decoded copies"
    return f"{copies} of this data in an older format removed: {sum(sizes) / 1e6:,.1f} MB"


def _older(place: Path) -> Iterator[Path]:
    mine = _NAME.fullmatch(place.name)
    for other in sorted(place.parent.glob("*-v*")) if mine else ():
        found = _NAME.fullmatch(other.name)
        if mine and found and found["key"] == mine["key"] and int(found["version"]) < int(mine["version"]):
            yield other


def _removed(copy: Path) -> int:
    """The bytes of a copy that was removed; 0 where it stays, which costs room alone: ``doctor --clean`` removes it."""
    try:
        with FileLock(f"{copy}.lock", timeout=0):
            if not copy.is_dir() or _is_open(copy):
                return 0
            size = sum(file.stat().st_size for file in copy.iterdir())
            shutil.rmtree(copy)
            return size
    except (Timeout, OSError, NotImplementedError):  # the last where a file system knows no locks
        return 0


def _is_open(copy: Path) -> bool:
    """Whether a process of this machine maps a file of the copy, or may: none can be seen, or not all of them."""
    name, is_seen = f"/{copy.name}/", False
    processes = [entry for entry in _PROCESSES.iterdir() if entry.name.isdigit()] if _PROCESSES.is_dir() else []
    for maps in (process / "maps" for process in processes):
        try:
            if name in maps.read_text(errors="replace"):
                return True
            is_seen = True
        except PermissionError:
            if _may_read(maps, copy):
                return True
        except OSError:  # it has ended
            continue
    return not is_seen


def _may_read(maps: Path, copy: Path) -> bool:
    """Whether a process whose maps are not shown is another user's who may read the copy, and not the system's."""
    try:
        owner = maps.stat().st_uid
    except OSError:
        return False
    return owner not in (0, os.getuid()) and bool(copy.stat().st_mode & 0o077)
