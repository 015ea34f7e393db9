"""Room on the disk for arrays that are written through memory maps."""

from __future__ import annotations

import os
from pathlib import Path


def reserve(path: Path) -> None:
    """Claim the disk blocks of a new file now: on a full disk a writer would die later. Raises OSError there."""
    if hasattr(os, "posix_fallocate"):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError:
            path.unlink()
            raise
