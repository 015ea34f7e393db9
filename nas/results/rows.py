"""One trial as a row of a leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from nas.results.trial_summary import Seen
from nas.search.stored import TrialState
from nas.search.study import CONFIRMED, CURVE, REASON, TARGET, accuracy
from nas.space.attributes import ARCHITECTURE, BROKEN, ORIGIN, SEED

State = Literal["complete", "pruned", "running", "failed"]
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
    seconds: float
    meets_target: bool
    architecture: str | None
    """None for a given network that cannot be written as one."""
    origin: str | None = None
    """Where a network is from that a person gave; None for what the search proposed."""
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
    curve: tuple[float, ...] = ()
    source: Source | None = field(default=None, repr=False, compare=False)
    """None where the study was read without knowing its storage."""

    @property
    def network(self) -> str:
        """Its architecture, and where a person's own code made it, that; what a table shows."""
        return " ".join(part for part in (self.architecture, f"({self.origin})" if self.origin else "") if part)

    def as_dict(self) -> dict[str, Any]:
        """The row of the JSON document."""
        lists = {"broken": list(self.broken), "curve": list(self.curve)}
        return {name: getattr(self, name) for name in COLUMNS} | lists


COLUMNS = tuple(name for name in Row.__dataclass_fields__ if name not in {"curve", "source"})
"""What is one text or number of a row."""
SORT_KEYS = tuple(name for name in COLUMNS if name != "rank")
METRICS = tuple(name for name in SORT_KEYS if name not in {"state", "architecture", "origin", "broken", "reason"})
"""What rows can be chosen by with a comparison."""


def row_of(trial: Seen, study_attrs: Mapping[str, Any], source: Source | None = None) -> Row:
    """The row of a trial that has a network; its rank is not known yet.

    Raises one of ``MALFORMED`` where the trial holds something else than this tool writes.
    """
    attrs, value, target = trial.user_attrs, _number(accuracy(trial)), _number(study_attrs.get(TARGET))
    confirmed = study_attrs.get(f"{CONFIRMED}{trial.number}", {})
    curve, broken = attrs.get(CURVE, ()), tuple(map(str, attrs.get(BROKEN, ())))
    is_over = value is not None and target is not None and value > target
    return Row(
        rank=0,
        trial=trial.number,
        state=_NAMES[trial.state],
        val_accuracy=value,
        test_accuracy=_number(confirmed.get("mean")),
        test_std=_number(confirmed.get("std")),
        test_seeds=len(seeds) if (seeds := confirmed.get("seeds")) else None,
        params=int(attrs["params"]),
        macs=_known(attrs, "macs"),
        receptive_field=_known(attrs, "receptive_field"),
        epochs=max(trial.intermediate_values, default=0),
        seconds=round(sum(epoch["seconds"] for epoch in curve), 1),
        meets_target=trial.state == TrialState.COMPLETE and is_over and not broken,
        architecture=_text(attrs.get(ARCHITECTURE)),
        origin=_text(attrs.get(ORIGIN)),
        seed=_count(attrs.get(SEED)),
        broken=broken,
        reason=str(attrs.get(REASON, "")),
        curve=tuple(float(epoch["val_accuracy"]) for epoch in curve),
        source=source,
    )


def _known(attrs: Mapping[str, Any], name: str) -> int | None:
    """A metric, which may be unknown of a network that a person gave, and of no other."""
    return _count(attrs[name]) if ORIGIN in attrs else int(attrs[name])


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
