"""Whose a source file is: the user's, this tool's, or that of Python and its packages; no torch."""

from __future__ import annotations

import os
from pathlib import Path

_SEPARATORS = ("/", "\\")
_LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120 (as modules have it, links included)
_PYTHONS = tuple(f"{folder}{sep}" for folder in {_LIBRARY, os.path.realpath(_LIBRARY)} for sep in _SEPARATORS)
"""The folder of Python's own library; what is beside it may be anybody's, where Python is installed in a home."""
_PACKAGES = tuple(f"{sep}{name}{sep}" for name in ("site-packages", "dist-packages") for sep in _SEPARATORS)
_ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(f"{_ROOT / name}{sep}" for name in ("constraints", "nas") for sep in _SEPARATORS)
"""The folders of this tool."""


def is_users(file: str) -> bool:
    """Whether a file belongs neither to this tool nor to Python nor to an installed package."""
    return not file.startswith(("<", *_PYTHONS, *OURS)) and not any(folder in file for folder in _PACKAGES)
