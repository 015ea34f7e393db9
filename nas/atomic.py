"""Files that a reader, and a crash, see as they were or as they are now, never in part."""

from __future__ import annotations

import os
from pathlib import Path

DRAFT = ".tmp"
"""Ending of a file that is being written; one whose process was killed stays behind."""


def write(path: Path, content: str | bytes | memoryview, *, is_durable: bool = False) -> None:
    """Write a file beside ``path`` and move it there; ``is_durable`` waits until the disk holds the bytes.

    Text is written as UTF-8. Raises OSError where that fails; the old file then stays as it was.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}{DRAFT}")
    try:
        with draft.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def remove_drafts(folder: Path) -> None:
    """Remove what killed processes left in ``folder``, where no other process writes now."""
    for draft in folder.glob(f"*{DRAFT}"):
        draft.unlink(missing_ok=True)
