"""One trial as a row of a leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, NamedTuple, get_args

from nas.objective_text import ACCURACY, BALANCED, MEASURES
from nas.search.confirmation import mean_of
from nas.search.stored import SeenTrial, TrialState
from nas.search.study import CONFIRMED, CURVE, MEASURED, REASON, TARGET, accuracy
from nas.search.trial_order import has_won
from nas.space.attributes import ARCHITECTURE, BROKEN, FINISHED, ORIGIN, SEED, given_key

State = Literal["complete", "pruned", "running", "unfinished", "failed"]
"""``unfinished``: not ended, and no launch is running on the study; the next one resumes it."""
STATES: tuple[State, ...] = get_args(State)
_NAMES: Mapping[int, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
    TrialState.FAIL: "failed",
}


class TrialLocation(NamedTuple):
    """The location of a trial, which later commands need in addition to its number."""

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
    """None for a network that is not a trial of a study here."""
    meets_target: bool | None
    """None where there cannot be a target, as for such a network."""
    architecture: str | None
    """None for a given network that cannot be written as one."""
    origin: str | None = None
    """The source of a network given by the user; None for the search's proposals."""
    seed: int | None = None
    """Seed of a given network's training; None means the study's."""
    broken: tuple[str, ...] = ()
    """The constraints that a given network breaks; it then meets no target, and is never a study's best."""
    test_std: float | None = None
    test_seeds: int | None = None
    """Number of trainings whose mean is the test accuracy."""
    pareto: bool = False
    """Whether it is complete, and no complete row shown is as good in accuracy and all costs, and better in one."""
    reason: str = ""
    val_balanced_accuracy: float | None = None
    test_balanced_accuracy: float | None = None
    finished: int | None = None
    """Epochs of the confirmation that trained its network to the end on all images, instead of the search."""
    won: bool = False
    """Whether the search ended at confirmed networks over the target and this is one of them."""
    curve: tuple[float | None, ...] = ()
    """Validation accuracy per epoch; None where it is not a finite number."""
    scores: tuple[float | None, ...] = field(default=(), repr=False)
    """The same by the study's measure."""
    measure: str = ACCURACY
    """The accuracy that its study maximises: one of nas.objective_text.MEASURES."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Metrics by name that not every study has: the user's, and other objectives."""
    key: str = field(default="", repr=False)
    """The identity of a network of user code: its name, arguments and files; empty for any other, or where unknown."""
    source: TrialLocation | None = field(default=None, repr=False, compare=False)
    """None where the study was read without knowing its storage."""

    @property
    def network(self) -> str:
        """Its architecture and, for user code, its source, as tables show it."""
        own = f"({self.origin})" if self.seed is not None else None
        return " ".join(part for part in (self.architecture, own) if part)

    def as_dict(self) -> dict[str, Any]:
        """The row of the JSON document."""
        lists = {"broken": list(self.broken), "curve": list(self.curve)}
        return {name: getattr(self, name) for name in COLUMNS} | dict(self.measured) | lists

    @property
    def score(self) -> float | None:
        """The validation accuracy that its study maximises."""
        value: float | None = getattr(self, MEASURES[self.measure])
        return value

    @property
    def test_score(self) -> float | None:
        """The test accuracy of the same kind, whose deviation is ``test_std``."""
        return self.test_balanced_accuracy if self.measure == BALANCED else self.test_accuracy

    def value(self, name: str) -> Any:
        """A column, or a metric that was measured; None where it is not known."""
        return getattr(self, name) if name in COLUMNS else self.measured.get(name)


_APART = {"curve", "scores", "measure", "measured", "key", "source"}
COLUMNS = tuple(name for name in Row.__dataclass_fields__ if name not in _APART)
"""Fields of a row that are a single text or number."""
SORT_KEYS = tuple(name for name in COLUMNS if name != "rank")
METRICS = tuple(name for name in SORT_KEYS if name not in {"state", "architecture", "origin", "broken", "reason"})
"""Fields by which rows can be filtered with a comparison."""


def row_of(
    trial: SeenTrial, study_attrs: Mapping[str, Any], source: TrialLocation | None = None, measure: str = ACCURACY
) -> Row:
    """The row of a trial that has a network, in a study that maximises ``measure``; its rank is not known yet.

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
        params=_whole(attrs["params"]),
        macs=_known(attrs, "macs"),
        receptive_field=_known(attrs, "receptive_field"),
        epochs=max(values, default=0),
        seconds=_seconds(curve),
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
        key=given_key(attrs),
        source=source,
    )


def _known(attrs: Mapping[str, Any], name: str) -> int | None:
    """A metric; only a network given by the user may have unknown ones."""
    return _count(attrs[name]) if SEED in attrs else _whole(attrs[name])


def _count(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _whole(value: Any) -> int:
    """A whole number; raises OverflowError for one past every float, which cannot be compared or shown."""
    number = int(value)
    float(number)
    return number


def _seconds(curve: Sequence[Mapping[str, Any]]) -> float:
    """The seconds of all epochs; raises ValueError where they are no finite number."""
    total: float = sum(epoch["seconds"] for epoch in curve)
    if not isfinite(total):
        raise ValueError(f"epochs of {total} seconds")
    return round(total, 1)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _mean(values: Sequence[Any]) -> float | None:
    return _number(mean_of([float(value) for value in values])) if values else None


def _number(value: Any) -> float | None:
    """A finite number; None for NaN, infinity or anything else."""
    return None if value is None or not isfinite(number := float(value)) else number
