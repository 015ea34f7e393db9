"""An unfinished candidate: its trial, its network, and how far it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

from optuna.trial import Trial

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture
from nas.search.given import Given
from nas.search.worker import Outcome


class State(Enum):
    """The state of an unfinished candidate."""

    TRAINING = "training"
    """It has a worker."""
    PAUSED = "paused"
    """It waits at a rung until it is promoted or pruned."""
    ASIDE = "aside"
    """Its files could not be written: it waits until another candidate's files can be written again."""


@dataclass(kw_only=True)
class Candidate:
    """A trial with a network that has not ended."""

    trial: Trial
    architecture: Architecture | None
    """None for a given network that cannot be written as one."""
    metrics: Metrics
    folder: Path
    state: State = State.TRAINING
    future: Future[Outcome] | None = None
    deaths: int = 0
    seed: int | None = None
    """The seed of a given network's training; None means the seed of the search."""
    given: Given | None = None
    """The user's code that builds the network, if it does."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Metrics that are measured instead of computed from the architecture, by name."""
    reported: int = 0
    """Epochs that were stored in the study before this launch."""
    curve: list[dict[str, Any]] = field(default_factory=list)
    epoch_started: float = 0.0


def set_leftover_aside(folder: Path) -> str:
    """Move away what another (perhaps deleted) study left in a new trial's folder; a note about it, or empty."""
    if not folder.exists():
        return ""
    names = (folder.with_name(f"left-{number}-{folder.name}") for number in count(1))
    aside = folder.rename(next(name for name in names if not name.exists()))
    return f"{folder} held a training of another study, or of a copy of this one: moved to {aside.name}"
