"""The report's section on the space of a study: its size and feasible part, where the space has not changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constraints.errors import UnusableInputError
from constraints.rules import Constraint
from nas.architecture.spec import parse
from nas.results.rows import Row
from nas.space.bulk_metrics import Vector
from nas.space.describe import describe
from nas.space.space import load


@dataclass(frozen=True, kw_only=True)
class SpaceSection:
    """The table of ``nas.space.describe``, or None and the reason."""

    name: str
    found: Mapping[str, Any] | None = None
    note: str = ""


def space_section(identity: Mapping[str, Any], constraints: Sequence[Constraint], rows: Sequence[Row]) -> SpaceSection:
    """The space of a study's identity under its constraints; its input and classes are those of the study's networks.

    A space file that is gone or was changed since is named, never described.
    """
    known = identity.get("space")
    if not isinstance(known, Mapping) or not any(row.architecture for row in rows):
        return SpaceSection(name="", note="The study names no space." if rows else "No network was proposed yet.")
    name = str(known.get("name"))
    try:
        network = parse(next(row.architecture for row in rows if row.architecture))
        space = load(name, input=network.input, classes=network.classes)
        if space.fingerprint != known.get("hash"):
            return SpaceSection(name=name, note="The space has changed since the study was made.")
        return SpaceSection(name=name, found=describe(Vector(space), constraints))
    except UnusableInputError as error:
        return SpaceSection(name=name, note=f"The space cannot be described: {error}.")
