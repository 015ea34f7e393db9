"""The teacher of a study, as the study stores it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nas.passwords import masked


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A teacher as a study stores it."""

    name: str
    """What the user called it."""
    hash: str


def kept_teacher(table: Any) -> Taught:
    """The teacher that a study stores, without passwords in its name, which earlier releases stored."""
    return Taught(name=masked(str(table["name"])), hash=str(table["hash"]))
