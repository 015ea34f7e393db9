"""The cache file of a storage's summary; it only saves time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas import atomic

VERSION = 6
"""Another one where what is kept, or what ``nas.search.stored_values`` checks of it, changes."""


def read(kept: Path) -> Mapping[str, Any]:
    """A cached summary; empty where there is none of this version, or it is damaged."""
    try:
        head, _, text = kept.read_text(encoding="utf-8").partition("\n")
        if head != _head(text):
            return {}
        document: Mapping[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return {}
    return document


def keep(kept: Path, document: Mapping[str, Any]) -> None:
    """Write a summary atomically; write errors are ignored, and only make the next read slow."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, separators=(",", ":"))
        atomic.write(kept, f"{_head(text)}\n{text}")


def _head(text: str) -> str:
    """The first line of a summary: its version, and the hash of what follows."""
    return f"{VERSION} {hashlib.sha256(text.encode()).hexdigest()}"
