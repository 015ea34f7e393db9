"""Write a document as JSON that every reader accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any


def json_text(document: object, *, indent: int | None = 1) -> str:
    """The document as JSON; NaN and infinities, which JSON does not have, become null."""
    return json.dumps(_known(document), indent=indent, allow_nan=False)


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _known(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
