"""The queue of a study: launches and ``enqueue`` add networks, the driver makes trials of them.

Each addition is a study attribute with a unique name, so that concurrent additions lose nothing in a journal or a
database, and the driver stays the only writer of trials. Nothing is removed: a network no longer waits once a trial has
it, so that a launch that is killed and resumed tries nothing twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from nas.search.study import MALFORMED

if TYPE_CHECKING:
    import optuna

QUEUE = "queue:"
"""Prefix of a study attribute (then time and identifier): a list of Waiting as tables."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A network in the queue."""

    architecture: str
    origin: str | None = None
    """Where it came from: a file and a name, or the text as given; None where it was found near such a network."""
    is_start: bool = False
    """Whether the search starts around it: its neighbours are tried next."""


def add(study: optuna.Study, several: Iterable[Waiting]) -> None:
    """Append networks to a study's queue, in this order."""
    if tables := [asdict(one) for one in several]:
        study.set_user_attr(f"{QUEUE}{time.time_ns():020d}-{uuid.uuid4().hex[:12]}", tables)


def add_new(study: optuna.Study, several: Iterable[Waiting]) -> None:
    """The same, leaving out networks that the queue already contains."""
    known = {one.architecture: one for one in queued(study.user_attrs)}
    add(
        study,
        (
            one
            for one in several
            if one.architecture not in known or (one.is_start and not known[one.architecture].is_start)
        ),
    )


def queued(attributes: Mapping[str, Any]) -> list[Waiting]:
    """Every network that was added to a study, once each, tried since or not; ``attributes`` are the study's."""
    found: dict[str, Waiting] = {}
    for name in sorted(name for name in attributes if name.startswith(QUEUE)):
        for one in _read(attributes[name]):
            before = found.setdefault(one.architecture, one)
            if one.is_start and not before.is_start:
                found[one.architecture] = replace(before, is_start=True)
    return list(found.values())


def _read(tables: Any) -> list[Waiting]:
    """The networks of one addition; empty where another program wrote something else."""
    try:
        return [
            Waiting(
                architecture=str(table["architecture"]),
                origin=None if table.get("origin") is None else str(table["origin"]),
                is_start=bool(table.get("is_start")),
            )
            for table in tables
        ]
    except MALFORMED:
        return []
