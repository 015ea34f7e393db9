"""The values of each trial that the report's figures and drawings use, ready for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from math import isfinite
from typing import Any

from optuna.trial import FrozenTrial

from constraints.metrics import Metrics
from constraints.rules import Constraint
from nas.objective_text import ACCURACY, MEASURES
from nas.results.board import Leaderboard
from nas.results.report.diagram import drawing
from nas.results.rows import Row
from nas.search.halving import EARLIER_FIRST_RUNG, rungs
from nas.search.study import CURVE, MALFORMED

_UNDRAWN = "it is the user's own code and not an architecture: search.py show lists its layers"
_ALWAYS = ("params", "macs", "receptive_field", "epochs", "seconds")
_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The values of a study: the metrics that its figures may show, its rules, its start, and its rungs."""

    names: tuple[str, ...]
    """Names of the metrics; the accuracy that the study maximises is the first."""
    rules: Sequence[Constraint]
    began: datetime | None
    levels: Sequence[int]
    """Epochs of the rungs; empty if the study's budget is unknown."""

    @classmethod
    def of(
        cls,
        board: Leaderboard,
        trials: Mapping[int, FrozenTrial],
        rules: Sequence[Constraint],
        identity: Mapping[str, Any],
    ) -> Figures:
        """The figures of a leaderboard's trials; other metrics are included if trials differ in them."""
        score = MEASURES[board.measure]
        accuracies = [score, *(["val_accuracy"] if board.measure != ACCURACY else []), score.replace("val_", "test_")]
        own = [*_ALWAYS, *board.measured]
        further = [name for name in Metrics.definitions() if name not in own and _differs(name, board.rows, trials)]
        starts = [start for trial in trials.values() if (start := trial.datetime_start)]
        return cls(
            names=(*accuracies, *own, *further),
            rules=rules,
            began=min(starts, default=None),
            levels=_levels(identity),
        )

    def record(self, row: Row, trial: FrozenTrial) -> dict[str, Any]:
        """A trial: ``values`` by ``names``, ``rules`` each as [decisive value, whether it holds], and its drawing.

        ``start`` and ``end`` are seconds since the study began, ``rungs`` the seconds of training until each rung.
        """
        curve = trial.user_attrs.get(CURVE, ())
        return {
            "trial": row.trial,
            "state": row.state,
            "whole": is_whole(row),
            "broken": bool(row.broken),
            "values": [_finite(_value(name, row, trial)) for name in self.names],
            "rules": [_verdict(rule, _value(rule.metric, row, trial)) for rule in self.rules],
            "curve": [_finite(value) for value in row.scores],
            "loss": [_finite(epoch.get("loss")) for epoch in curve],
            "start": self._since(trial.datetime_start),
            "end": self._since(trial.datetime_complete),
            "rungs": list(self._rungs([epoch["seconds"] for epoch in curve])),
            **(drawing(row.architecture) if row.architecture else {"error": _UNDRAWN}),
        }

    def _since(self, moment: datetime | None) -> float | None:
        is_known = moment is not None and self.began is not None
        return round((moment - self.began).total_seconds(), 1) if is_known else None  # type: ignore[operator]

    def _rungs(self, seconds: Sequence[float]) -> Iterator[float]:
        """Seconds of training until each rung that a curve reached."""
        for epoch, total in enumerate(accumulate(seconds), start=1):
            if epoch in self.levels:
                yield round(total, 1)


def is_whole(row: Row) -> bool:
    """Whether the search trained a trial to the end; a trial completed by its confirmation has fewer epochs."""
    return row.state == "complete" and row.finished is None


def _levels(identity: Mapping[str, Any]) -> list[int]:
    epochs, first = identity.get("epochs", 0), identity.get("first_rung", EARLIER_FIRST_RUNG)
    return rungs(epochs, first) if min(epochs, first) > 0 else []


def _differs(name: str, rows: Sequence[Row], trials: Mapping[int, FrozenTrial]) -> bool:
    return len({value for row in rows if _is_number(value := trials[row.trial].user_attrs.get(name))}) > 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _value(name: str, row: Row, trial: FrozenTrial) -> Any:
    """The value of a leaderboard column, a measured metric, or a metric that the trial stores."""
    known = row.value(name)
    return trial.user_attrs.get(name) if known is None else known


def _verdict(rule: Constraint, value: Any) -> list[float | bool | None]:
    """The decisive number, and whether the rule holds; None for both if unknown."""
    try:
        decisive = rule.decisive(value)
    except MALFORMED:
        decisive = None
    return [None, None] if decisive is None else [_finite(+decisive), rule.holds(decisive)]  # + makes a bool a number


def _finite(value: Any) -> float | None:
    """The number, rounded, since shares, losses and durations need few digits; None, for JSON, if it is not finite."""
    if not _is_number(value) or not isfinite(value):
        return None
    return value if isinstance(value, int) else round(value, _DIGITS)
