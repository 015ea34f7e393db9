"""The file in which what is known of a storage in short is kept; nothing depends on it but the time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas import atomic

VERSION = 3


def read(kept: Path) -> Mapping[str, Any]:
    """A summary as it was kept; empty where there is none of this version."""
    try:
        document = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) and document.get("version") == VERSION else {}


def keep(kept: Path, document: Mapping[str, Any]) -> None:
    """Write a summary whole or not at all; where nothing can be written the next reading is slow, and that is all."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(kept, json.dumps({"version": VERSION, **document}, separators=(",", ":")))
