"""The user's cache folder, in which each part of this project keeps a folder of its own."""

from __future__ import annotations

from pathlib import Path


def user_cache() -> Path:
    """``~/.cache/neural-architecture-search``, or the place that the system has for it; it may not be there yet."""
    import platformdirs

    return platformdirs.user_cache_path("neural-architecture-search")
