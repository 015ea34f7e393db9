"""Reserves disk space for arrays that are written through memory maps."""

from __future__ import annotations

import os
from pathlib import Path


def reserve(path: Path) -> None:
    """Allocate a new file's disk blocks now; raises OSError on a full disk, where writes to the map would crash."""
    if hasattr(os, "posix_fallocate"):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError:
            path.unlink()
            raise
