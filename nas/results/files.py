"""Writes files that a user asked for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from constraints.errors import UnusableInputError


def check_folder(path: Path) -> None:
    """Raise UnusableInputError where a file's folder is missing, before its content is computed."""
    if os.path.isdir(path.parent):  # noqa: PTH112 (a text that can be no path is no folder either)
        return
    number = errno.ENOTDIR if os.path.exists(path.parent) else errno.ENOENT  # noqa: PTH110
    raise UnusableInputError(f"cannot write {path}: {os.strerror(number)}: give a writable path")


def write_text(path: Path, text: str) -> None:
    """Write a file; UnusableInputError where that fails."""
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: the text cannot be a path
        why = getattr(error, "strerror", None) or error
        raise UnusableInputError(f"cannot write {path}: {why}: give a writable path") from None
