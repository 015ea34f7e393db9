"""Files that a user asked for."""

from __future__ import annotations

from pathlib import Path

from constraints.errors import UnusableInputError


def write_text(path: Path, text: str) -> None:
    """Write a file; UnusableInputError where that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:  # a text that can be no path is a ValueError
        why = getattr(error, "strerror", None) or error
        raise UnusableInputError(f"cannot write {path}: {why}: give a writable path") from None
