"""The identity that a study of the digits stores, for tests that make one without a launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def identity(rules: Sequence[Any] = ()) -> dict[str, Any]:
    """What such a study was made with, under ``rules``."""
    return {
        "data": {"name": "digits", "hash": "d"},
        "space": {"name": "tiny", "hash": "s"},
        "constraints": list(rules),
        "seed": 0,
        "epochs": 7,
        "objective": "accuracy",
    }
