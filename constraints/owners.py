"""Whose a source file is: the user's, this tool's, or that of Python and its packages; no torch."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(f"{_ROOT / name}{sep}" for name in ("constraints", "nas") for sep in ("/", "\\"))
"""The folders of this tool."""


def is_users(file: str) -> bool:
    """Whether a file belongs neither to this tool nor to Python nor to an installed package."""
    return not file.startswith(("<", sys.base_prefix, *OURS)) and "site-packages" not in file
