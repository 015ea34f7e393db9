"""Atomic file writes: a reader, or a crash, never sees a partly written file."""

from __future__ import annotations

import os
from pathlib import Path

DRAFT = ".tmp"
"""Ending of a file that is being written; a killed process leaves it behind."""


def write(path: Path, content: str | bytes | memoryview, *, is_durable: bool = False) -> None:
    """Write a temporary file and rename it to ``path``; ``is_durable`` calls fsync first.

    Text is written as UTF-8. Raises OSError where that fails; the old file is then unchanged.
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
    """Remove the temporary files of killed processes from ``folder``, to which no other process may be writing."""
    for draft in folder.glob(f"*{DRAFT}"):
        draft.unlink(missing_ok=True)
