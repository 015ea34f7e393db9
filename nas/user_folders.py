"""The user's folders: the cache, where each part of this project has its own subfolder, and the home."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """``~/.cache/neural-architecture-search``, or where the system keeps caches; it need not exist yet."""
    import platformdirs

    return platformdirs.user_cache_path("neural-architecture-search")


def expanded(text: str) -> Path:
    """A path with a leading ``~`` or ``~user`` replaced; unchanged, and so naming nothing, if there is no such home."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (pathlib's raises a RuntimeError)
