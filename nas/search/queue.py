"""Networks that wait in a study to be tried: launches and ``enqueue`` add them, the driver makes trials of them.

Each addition is one attribute of the study under a name of its own, so that two at once lose nothing, in a journal and
in a database, and the driver stays the only writer of trials. Nothing is taken out: what a trial of the study holds
waits no more, so that a launch that is killed and resumed tries nothing twice.
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
"""Study attribute, followed by when it was added and an identifier: a list of Waiting as tables."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A network that waits."""

    architecture: str
    origin: str | None = None
    """What gave it: a file and a name, or a text as it was given; None where it was found near such a network."""
    is_start: bool = False
    """Whether the search begins around it: its neighbours are tried next."""


def add(study: optuna.Study, several: Iterable[Waiting]) -> None:
    """Let networks wait in a study, in this order, behind those that wait already."""
    if tables := [asdict(one) for one in several]:
        study.set_user_attr(f"{QUEUE}{time.time_ns():020d}-{uuid.uuid4().hex[:12]}", tables)


def add_new(study: optuna.Study, several: Iterable[Waiting]) -> None:
    """The same for those of which the study's queue does not say as much already."""
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
    """Everything that was added to a study, once each, tried since or not; ``attributes`` are the study's."""
    found: dict[str, Waiting] = {}
    for name in sorted(name for name in attributes if name.startswith(QUEUE)):
        for one in _read(attributes[name]):
            before = found.setdefault(one.architecture, one)
            if one.is_start and not before.is_start:
                found[one.architecture] = replace(before, is_start=True)
    return list(found.values())


def _read(tables: Any) -> list[Waiting]:
    """What was added at once; nothing where it is of another shape, as another program may write it."""
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
