"""What a search looks for: accuracy, alone or against what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.study._multi_objective import _fast_non_domination_rank  # as Optuna's own samplers rank trials
from optuna.trial import FrozenTrial

from nas.config import Objective
from nas.search.study import Direction, accuracy


@dataclass(frozen=True)
class Objectives:
    """Validation accuracy, to be maximised, and the figures in ``costs``, to be minimised."""

    costs: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: Objective) -> Objectives:
        """The objectives that a configuration names."""
        return cls(tuple(text.split(",")[1:]))

    @property
    def directions(self) -> list[Direction]:
        """Optuna's word for each value."""
        cheaper: list[Direction] = ["minimize"] * len(self.costs)
        return ["maximize", *cheaper]

    def values(self, accuracy: float, figures: Mapping[str, Any]) -> tuple[float, ...]:
        """What a candidate of such figures is worth, in the order of ``directions``."""
        return accuracy, *(float(figures[name]) for name in self.costs)

    def so_far(self, trial: FrozenTrial) -> tuple[float, ...]:
        """What a trial is worth by its last epoch."""
        return self.values(accuracy(trial) or 0.0, trial.user_attrs)

    def order(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Indices of the rows of (n, objectives) values, best first; equal ones in their order.

        With several objectives those that no other row dominates come first, then those that only the first
        dominate, and so on (Deb et al., NSGA-II, 2002); among equals the more accurate.
        """
        if not self.costs:
            return np.argsort(-values[:, 0], kind="stable")
        losses = values * np.array([-1.0, *(1.0 for _ in self.costs)])
        return np.lexsort((losses[:, 0], _fast_non_domination_rank(losses)))
