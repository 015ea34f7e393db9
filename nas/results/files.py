"""Files that a user asked for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from constraints.errors import UnusableInputError


def check_folder(path: Path) -> None:
    """Raise UnusableInputError where a file has no folder to be in, before what it is to hold is worked out."""
    if os.path.isdir(path.parent):  # noqa: PTH112 (a text that can be no path is no folder either)
        return
    number = errno.ENOTDIR if os.path.exists(path.parent) else errno.ENOENT  # noqa: PTH110
    raise UnusableInputError(f"cannot write {path}: {os.strerror(number)}: give a writable path")


def write_text(path: Path, text: str) -> None:
    """Write a file; UnusableInputError where that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:  # a text that can be no path is a ValueError
        why = getattr(error, "strerror", None) or error
        raise UnusableInputError(f"cannot write {path}: {why}: give a writable path") from None
