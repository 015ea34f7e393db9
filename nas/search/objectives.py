"""The objectives of a search: an accuracy, alone or together with costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from constraints.errors import UnusableInputError
from nas.objective_text import ACCURACY, MEASURES, check, read
from nas.pareto import ranks
from nas.search.study import MEASURED, Direction, accuracy


@dataclass(frozen=True)
class Objectives:
    """A validation accuracy to maximise, and the metrics in ``costs`` to minimise, except those in ``maximised``."""

    costs: tuple[str, ...] = ()
    measure: str = ACCURACY
    """The accuracy: one of MEASURES."""
    maximised: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str, own: Mapping[str, bool] | None = None) -> Objectives:
        """The objectives that a configuration names; ``own`` maps a user's metric to whether it is maximised.

        Raises UnusableInputError for an unknown metric (with the nearest names), a metric that is not a single number,
        and one that is named twice.
        """
        own, (measure, aims) = own or {}, read(text)
        check(aims, own)
        is_maximised = {a.name: own.get(a.name, False) if a.is_maximised is None else a.is_maximised for a in aims}
        costs = tuple(is_maximised)
        return cls(costs, measure, frozenset(name for name in costs if is_maximised[name]))

    def __str__(self) -> str:
        """The canonical text, which ``read`` parses without knowing the metrics."""
        return ",".join([self.measure, *(cost + ":max" * (cost in self.maximised) for cost in self.costs)])

    @property
    def sentence(self) -> str:
        """As text: ``maximise balanced accuracy, minimise params``."""
        words = {"maximize": "maximise", "minimize": "minimise"}
        names = [self.measure.replace("_", " "), *self.costs]
        return ", ".join(f"{words[d]} {name}" for d, name in zip(self.directions, names, strict=True))

    @property
    def directions(self) -> list[Direction]:
        """``maximize`` or ``minimize`` for each value, as Optuna takes them."""
        of_costs: list[Direction] = ["maximize" if cost in self.maximised else "minimize" for cost in self.costs]
        return ["maximize", *of_costs]

    def score(self, epoch: Mapping[str, Any]) -> float:
        """The accuracy of an epoch (a nas.training.session.Epoch as a table) that this search maximises."""
        value: float = epoch[MEASURES[self.measure]]
        return value

    def values(self, accuracy: float, metrics: Mapping[str, Any]) -> tuple[float, ...]:
        """The objective values of a candidate, in the order of ``directions``; an unknown one is the worst possible."""
        return accuracy, *(self._value(name, metrics.get(name)) for name in self.costs)

    def _value(self, name: str, found: Any) -> float:
        if found is None or not isfinite(found):
            return -inf if name in self.maximised else inf
        return float(found)

    def check(self, metrics: Mapping[str, Any]) -> None:
        """Raise UnusableInputError for a network with an unknown cost."""
        for name in self.costs:
            if metrics.get(name) is None:
                raise UnusableInputError(
                    f"{name} of this network is not known, and the study minimises it: give a --study without it"
                )

    def so_far(self, trial: FrozenTrial) -> tuple[float, ...]:
        """The objective values of a trial by its last epoch."""
        return self.values(accuracy(trial) or 0.0, measured(trial.user_attrs))

    def order(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Indices of the rows of (n, objectives) values, best first; the sort is stable.

        With several objectives: by non-domination rank (``nas.pareto``), then by accuracy.
        """
        if not self.costs:
            return np.argsort(-values[:, 0], kind="stable")
        losses = values * np.array([-1.0 if d == "maximize" else 1.0 for d in self.directions])
        return np.lexsort((losses[:, 0], ranks(losses.tolist())))


def measured(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """All metrics in a trial's attributes, computed and measured."""
    return {**attrs, **attrs.get(MEASURED, {})}
