"""The version of this package."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

NAME = "neural-architecture-search"
PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def version() -> str:
    """The installed version or, for a source tree that is not installed, the one in pyproject.toml."""
    try:
        return installed(NAME)
    except PackageNotFoundError:
        return str(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"])
