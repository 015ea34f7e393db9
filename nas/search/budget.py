"""When a launch of a search ends, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.search.halving import FIRST_RUNG

if TYPE_CHECKING:
    from nas.training.feed import Feed
    from nas.training.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When to end: after ``trials`` in the whole study, after ``seconds`` of this launch, or at the target."""

    trials: int
    seconds: float
    epochs: int
    target: float | None = None
    stop_at_target: bool = False
    first_rung: int = FIRST_RUNG
    """Fewest epochs after which candidates are compared."""

    def is_target_met(self, best: float | None) -> bool:
        """Whether the best accuracy exceeds the target; False where either of them is None."""
        return self.target is not None and best is not None and best > self.target


@dataclass(frozen=True, kw_only=True)
class Goal:
    """When a search for confirmed networks ends: once ``count`` of them are over the target."""

    count: int
    feed: Feed
    """Trains on the whole training set and evaluates on the test set."""
    recipe: Callable[[int, Mapping[str, Any]], Recipe | None]
    """(epochs, trial parameters) -> the recipe of a training of that length, with the trial's tuned options."""


@dataclass(frozen=True, kw_only=True)
class LaunchSummary:
    """How a launch ended: ``ended`` says why, ``unfinished`` how many trials the next launch would resume."""

    ended: str
    unfinished: int
    best: float | None
    reached: bool
