"""The report's section on a study's space: its size and feasible part, if the space has not changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nas.space
from constraints.errors import UnusableInputError
from constraints.rules import Constraint
from nas import atomic
from nas.architecture.spec import parse
from nas.results.rows import Row
from nas.space.bulk_metrics import Vector
from nas.space.description import describe
from nas.space.space import Space
from nas.space.study_space import stored_space
from nas.user_folders import user_cache
from nas.version import version


@dataclass(frozen=True, kw_only=True)
class SpaceSection:
    """The table of ``nas.space.description``, or None and the reason."""

    name: str
    found: Mapping[str, Any] | None = None
    note: str = ""


def space_section(identity: Mapping[str, Any], constraints: Sequence[Constraint], rows: Sequence[Row]) -> SpaceSection:
    """The space of a study's identity under its constraints, for the input and classes of the study's networks.

    For a space file that is missing or has changed since, the section says so instead of describing it.
    """
    known = identity.get("space")
    if not isinstance(known, Mapping) or not any(row.architecture for row in rows):
        return SpaceSection(name="", note="The study names no space." if rows else "No network was proposed yet.")
    name = str(known.get("name"))
    try:
        network = parse(next(row.architecture for row in rows if row.architecture))
        space = stored_space(known, input=network.input, classes=network.classes)
        if space.fingerprint != known.get("hash"):
            return SpaceSection(name=name, note="The space has changed since the study was made.")
        return SpaceSection(name=name, found=_described(space, constraints))
    except UnusableInputError as error:
        return SpaceSection(name=name, note=f"The space cannot be described: {error}.")


def _described(space: Space, constraints: Sequence[Constraint]) -> Mapping[str, Any]:
    """The description, cached for the user, since it takes seconds and depends on space, constraints and code only."""
    decided_by = [version(), _code(), space.fingerprint, space.input, space.classes, [c.expr for c in constraints]]
    name = hashlib.sha256(json.dumps(decided_by).encode()).hexdigest()
    kept = user_cache() / "spaces" / f"{name}.json"
    with suppress(OSError, ValueError):
        found: Any = json.loads(kept.read_text(encoding="utf-8"))
        if isinstance(found, Mapping):
            return found
    found = describe(Vector(space), constraints)
    with suppress(OSError):  # no room, or no cache folder: the next report counts again
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(kept, json.dumps(found))
    return found  # type: ignore[no-any-return]


def _code() -> str:
    """A hash of the code that counts spaces, so that a changed program does not use old results."""
    files = sorted(Path(nas.space.__path__[0]).glob("**/*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
