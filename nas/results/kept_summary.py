"""The file in which what is known of a storage in short is kept; nothing depends on it but the time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas import atomic

VERSION = 4


def read(kept: Path) -> Mapping[str, Any]:
    """A summary as it was kept; empty where there is none of this version, or it was damaged since."""
    try:
        head, _, text = kept.read_text(encoding="utf-8").partition("\n")
        if head != _head(text):
            return {}
        document: Mapping[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return {}
    return document


def keep(kept: Path, document: Mapping[str, Any]) -> None:
    """Write a summary whole or not at all; where nothing can be written the next reading is slow, and that is all."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, separators=(",", ":"))
        atomic.write(kept, f"{_head(text)}\n{text}")


def _head(text: str) -> str:
    """The first line of a summary: its version, and the hash of what follows."""
    return f"{VERSION} {hashlib.sha256(text.encode()).hexdigest()}"
