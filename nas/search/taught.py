"""What a study keeps of its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nas.passwords import masked


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a study keeps of its teacher."""

    name: str
    """What the person called it."""
    hash: str


def kept_teacher(table: Any) -> Taught:
    """The teacher that a study keeps; earlier releases kept the passwords in its name."""
    return Taught(name=masked(str(table["name"])), hash=str(table["hash"]))
