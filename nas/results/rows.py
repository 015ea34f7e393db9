"""One trial as a row of a leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean
from typing import Any, Literal, NamedTuple, get_args

from nas.objective_text import ACCURACY, BALANCED, MEASURES
from nas.search.best_trials import has_won
from nas.search.stored import Seen, TrialState
from nas.search.study import CONFIRMED, CURVE, MEASURED, REASON, TARGET, accuracy
from nas.space.attributes import ARCHITECTURE, BROKEN, FINISHED, ORIGIN, SEED

State = Literal["complete", "pruned", "running", "unfinished", "failed"]
"""``unfinished`` has not ended, and no launch works on its study: the next one continues it."""
STATES: tuple[State, ...] = get_args(State)
_NAMES: Mapping[int, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
    TrialState.FAIL: "failed",
}


class Source(NamedTuple):
    """Where a trial is: what a later command needs beside its number."""

    storage: str
    study: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trial; an accuracy that is not known yet is None."""

    rank: int
    trial: int
    state: State
    val_accuracy: float | None
    test_accuracy: float | None
    params: int
    macs: int | None
    receptive_field: int | None
    epochs: int
    seconds: float | None
    """None for a network that is no trial of a study here."""
    meets_target: bool | None
    """None where no target can be there, as for such a network."""
    architecture: str | None
    """None for a given network that cannot be written as one."""
    origin: str | None = None
    """Where a network is from that the user gave; None for what the search proposed."""
    seed: int | None = None
    """Of a given network's training; None is that of the study."""
    broken: tuple[str, ...] = ()
    """The rules that a given network breaks: it meets no target, and is the best of no study."""
    test_std: float | None = None
    test_seeds: int | None = None
    """How many trainings the test accuracy is the mean of."""
    pareto: bool = False
    """Whether no other row shown is as good in accuracy and in every cost of the study, and better in one."""
    reason: str = ""
    val_balanced_accuracy: float | None = None
    test_balanced_accuracy: float | None = None
    finished: int | None = None
    """Epochs of the confirmation that trained its network to the end, on all images, in place of the search."""
    won: bool = False
    """Whether the search looked for confirmed networks over the target, and this is one."""
    curve: tuple[float | None, ...] = ()
    """Validation accuracies, an epoch each; None where it is no number."""
    scores: tuple[float | None, ...] = field(default=(), repr=False)
    """The same by the study's measure."""
    measure: str = ACCURACY
    """The accuracy that its study judges by: one of nas.objective_text.MEASURES."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Metrics that are no column of every study, by name: a user's own, and other objectives."""
    source: Source | None = field(default=None, repr=False, compare=False)
    """None where the study was read without knowing its storage."""

    @property
    def network(self) -> str:
        """Its architecture, and where the user's own code made it, that; what a table shows."""
        own = f"({self.origin})" if self.seed is not None else None
        return " ".join(part for part in (self.architecture, own) if part)

    def as_dict(self) -> dict[str, Any]:
        """The row of the JSON document."""
        lists = {"broken": list(self.broken), "curve": list(self.curve)}
        return {name: getattr(self, name) for name in COLUMNS} | dict(self.measured) | lists

    @property
    def score(self) -> float | None:
        """The validation accuracy that its study judges by."""
        value: float | None = getattr(self, MEASURES[self.measure])
        return value

    @property
    def test_score(self) -> float | None:
        """The test accuracy of the same kind, whose deviation is ``test_std``."""
        return self.test_balanced_accuracy if self.measure == BALANCED else self.test_accuracy

    def value(self, name: str) -> Any:
        """A column, or a metric that was measured; None where it is not known."""
        return getattr(self, name) if name in COLUMNS else self.measured.get(name)


_APART = {"curve", "scores", "measure", "measured", "source"}
COLUMNS = tuple(name for name in Row.__dataclass_fields__ if name not in _APART)
"""What is one text or number of a row."""
SORT_KEYS = tuple(name for name in COLUMNS if name != "rank")
METRICS = tuple(name for name in SORT_KEYS if name not in {"state", "architecture", "origin", "broken", "reason"})
"""What rows can be chosen by with a comparison."""


def row_of(trial: Seen, study_attrs: Mapping[str, Any], source: Source | None = None, measure: str = ACCURACY) -> Row:
    """The row of a trial that has a network, in a study that judges by ``measure``; its rank is not known yet.

    Raises one of ``MALFORMED`` where the trial holds something else than this tool writes.
    """
    attrs, value, target = trial.user_attrs, _number(accuracy(trial)), _number(study_attrs.get(TARGET))
    confirmed = study_attrs.get(f"{CONFIRMED}{trial.number}", {})
    curve, values = attrs.get(CURVE, ()), trial.intermediate_values
    accuracies = tuple(_number(epoch["val_accuracy"]) for epoch in curve)
    known = {field: _number(curve[-1].get(field)) for field in MEASURES.values()} if curve else {}
    balanced, tested = known.get("val_balanced_accuracy"), confirmed.get("balanced_accuracies", ())
    broken = tuple(map(str, attrs.get(BROKEN, ())))
    finished = _count((attrs.get(FINISHED) or {}).get("epochs"))
    mean = _number(confirmed.get("mean"))
    judged = value if finished is None else mean
    is_over = judged is not None and target is not None and judged > target
    return Row(
        rank=0,
        trial=trial.number,
        state=_NAMES[trial.state],
        val_accuracy=value if measure == ACCURACY else known.get("val_accuracy"),
        val_balanced_accuracy=balanced if measure == ACCURACY else value,
        test_accuracy=_mean(confirmed["accuracies"]) if tested else _number(confirmed.get("mean")),
        test_balanced_accuracy=_mean(tested),
        test_std=_number(confirmed.get("std")),
        test_seeds=len(seeds) if (seeds := confirmed.get("seeds")) else None,
        params=int(attrs["params"]),
        macs=_known(attrs, "macs"),
        receptive_field=_known(attrs, "receptive_field"),
        epochs=max(values, default=0),
        seconds=round(sum(epoch["seconds"] for epoch in curve), 1),
        meets_target=trial.state == TrialState.COMPLETE and is_over and not broken,
        architecture=_text(attrs.get(ARCHITECTURE)),
        origin=_text(attrs.get(ORIGIN)),
        finished=finished,
        won=has_won(trial, study_attrs),
        seed=_count(attrs.get(SEED)),
        broken=broken,
        reason=" ".join(str(attrs.get(REASON, "")).split()),
        curve=accuracies,
        scores=accuracies if measure == ACCURACY else tuple(_number(values[epoch]) for epoch in sorted(values)),
        measure=measure,
        measured={
            str(name): number
            for name, value in attrs.get(MEASURED, {}).items()
            if (number := _number(value)) is not None
        },
        source=source,
    )


def _known(attrs: Mapping[str, Any], name: str) -> int | None:
    """A metric, which may be unknown of a network that the user gave, and of no other."""
    return _count(attrs[name]) if SEED in attrs else int(attrs[name])


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _mean(values: Sequence[Any]) -> float | None:
    return _number(fmean(map(float, values))) if values else None


def _number(value: Any) -> float | None:
    """A number that is known: what diverged to NaN or infinity is none."""
    return None if value is None or not isfinite(number := float(value)) else number
