"""The user's folders: the cache, in which each part of this project keeps a folder of its own, and the home."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """``~/.cache/neural-architecture-search``, or the place that the system has for it; it may not be there yet."""
    import platformdirs

    return platformdirs.user_cache_path("neural-architecture-search")


def expanded(text: str) -> Path:
    """A path that may begin with ``~`` or ``~user``; where there is no such home it stays, and names nothing."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (pathlib's raises a RuntimeError)
