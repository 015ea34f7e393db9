"""What a search looks for: accuracy, alone or against what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from constraints.errors import UnusableInputError
from nas.config import Objective
from nas.pareto import ranks
from nas.search.study import Direction, accuracy


@dataclass(frozen=True)
class Objectives:
    """Validation accuracy, to be maximised, and the metrics in ``costs``, to be minimised."""

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

    def values(self, accuracy: float, metrics: Mapping[str, Any]) -> tuple[float, ...]:
        """What a candidate of such metrics is worth, in the order of ``directions``."""
        return accuracy, *(float(metrics[name]) for name in self.costs)

    def check(self, metrics: Mapping[str, Any]) -> None:
        """Raise UnusableInputError for a network of which a cost is not known."""
        for name in self.costs:
            if metrics.get(name) is None:
                raise UnusableInputError(
                    f"{name} of this network is not known, and the study minimises it: give a --study without it"
                )

    def so_far(self, trial: FrozenTrial) -> tuple[float, ...]:
        """What a trial is worth by its last epoch."""
        return self.values(accuracy(trial) or 0.0, trial.user_attrs)

    def order(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Indices of the rows of (n, objectives) values, best first; equal ones in their order.

        With several objectives by non-domination rank (``nas.pareto``), within a rank the more accurate first.
        """
        if not self.costs:
            return np.argsort(-values[:, 0], kind="stable")
        losses = values * np.array([-1.0, *(1.0 for _ in self.costs)])
        return np.lexsort((losses[:, 0], ranks(losses)))
