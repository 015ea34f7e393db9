"""Metrics of candidates that are measured rather than computed: the user's own, and the predicted latency.

They are measured before a candidate trains. A proposal that breaks a constraint on them is rejected before it becomes a
trial, as for computed metrics. User code runs in the limited child process of ``constraints.sandbox``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.metrics import LATENCY, Metrics
from constraints.rules import Constraint, parse_all
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Target
from constraints.verdicts import Verdict, judge
from nas.architecture.spec import Architecture
from nas.latency.predictor import Predictor
from nas.objective_text import check, read
from nas.space.analytic import metrics
from nas.user_metrics import UserMetrics, read_metrics

IN_EVERY_ROW = frozenset({"params", "macs", "receptive_field"})
"""Metrics that every leaderboard row contains."""
TAKEN = IN_EVERY_ROW | {
    "rank", "trial", "state", "val_accuracy", "test_accuracy", "test_std", "test_seeds", "val_balanced_accuracy",
    "test_balanced_accuracy", "epochs", "seconds", "meets_target", "architecture", "pareto", "reason", "curve",
    "origin", "seed", "broken", "latency", "study", "images", "recipe", "augmentation", "tuned", "why", "label",
    "finished", "won", "champion", "sizes_mb", "stages", "head", "report", "accuracy", "balanced_accuracy", LATENCY,
}  # fmt: skip
"""Names that a user's metric may not have, since a leaderboard row or trial card uses them (a test checks that)."""


@dataclass(kw_only=True)
class Measures:
    """Measures candidates, and checks the constraints on measured metrics."""

    own: UserMetrics | None = None
    latency: Predictor | None = None
    """Predicts latency on this machine; None where no constraint or objective needs it."""
    objectives: Sequence[str] = ()
    """The search's objectives other than accuracy, except those that every row contains anyway."""
    rules: tuple[Constraint, ...] = ()
    """The constraints on measured metrics."""
    counted: tuple[Constraint, ...] = ()
    """The launch's other constraints, on computed metrics."""
    _known: dict[str, dict[str, float]] = field(default_factory=dict)
    """Network text -> its measured metrics."""

    def of(self, architecture: Architecture) -> Mapping[str, float]:
        """The measured metrics of a network by name; the user's metrics need it to be built.

        Raises ModelFailedError, naming metric and network, where the user's code raises, hangs, or gives no number.
        """
        text = str(architecture)
        if text not in self._known:
            self._known[text] = self._measured(architecture)
        return self._known[text]

    def broken(self, architecture: Architecture) -> str | None:
        """The first constraint that a network breaks; None where it satisfies all. Raises as ``of`` does."""
        if not self.rules:
            return None
        return next((verdict.expr for verdict in self.verdicts(self.of(architecture)) if not verdict.ok), None)

    def _measured(self, architecture: Architecture) -> dict[str, float]:
        found: dict[str, float] = {}
        if (own := self.own) is not None:
            found |= _by_user(own, lambda: own.measure([architecture])[0])
        if self.latency is not None:
            found[LATENCY] = self.latency(architecture)
        return self._with_objectives(found, metrics(architecture))

    def _with_objectives(self, found: Mapping[str, float], counted: Metrics) -> dict[str, float]:
        """The measured metrics, and the computed metrics that are objectives and known."""
        wanted = [name for name in self.objectives if name not in found and name not in IN_EVERY_ROW]
        known = {name: value for name in wanted if (value := counted.as_dict().get(name)) is not None}
        return {**found, **known}

    def of_code(
        self, target: Target, arguments: Mapping[str, Any], shape: Sequence[int], traced: Metrics
    ) -> Mapping[str, float]:
        """The same for a network of user code that is not an architecture.

        ``traced`` are its metrics from tracing. Latency is missing, since it can only be predicted from an
        architecture. Raises as ``of`` does.
        """
        own = self.own
        found = {} if own is None else _by_user(own, lambda: own.measure_code(target, arguments, shape))
        return self._with_objectives(found, traced)

    def verdicts(self, values: Mapping[str, float]) -> tuple[Verdict, ...]:
        """The verdicts of the constraints on measured metrics; an unknown value breaks its constraint."""
        return tuple(judge(self.rules, {rule.metric: None for rule in self.rules} | dict(values)))


def _by_user(own: UserMetrics, measure: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
    try:
        return measure()
    except ModelFailedError as error:
        reason = str(error).removesuffix(": raise --timeout").removesuffix(": raise --memory")
        raise ModelFailedError(
            f"{reason}: fix {own.path.name}, or launch without it", traceback=error.traceback
        ) from error


def split_rules(
    constraints: Sequence[str], own: Sequence[str] = ()
) -> tuple[tuple[Constraint, ...], tuple[Constraint, ...]]:
    """The constraints on computed metrics, and those on measured ones; ``own`` names the user's metrics.

    Raises UnusableInputError for a metric that is neither.
    """
    measured = {LATENCY, *own}
    rules = parse_all(constraints, measured)
    return tuple(r for r in rules if r.metric not in measured), tuple(r for r in rules if r.metric in measured)


def counted(constraints: Sequence[str]) -> tuple[Constraint, ...]:
    """The constraints of a study on computed metrics: all but those on the user's metrics and the latency."""
    return tuple(rule for rule in parse_all(constraints, None) if rule.metric in Metrics.definitions())


def needs_latency(constraints: Sequence[str], objective: str) -> bool:
    """Whether a constraint or an objective uses the latency."""
    names = [rule.metric for rule in parse_all(constraints, None)] + [aim.name for aim in read(objective)[1]]
    return LATENCY in names


def check_names(constraints: Sequence[str], objective: str, own: UserMetrics) -> None:
    """Raise UnusableInputError for an unknown metric, and for a user's metric whose name is already used."""
    if taken := sorted({*own.names} & TAKEN):
        raise UnusableInputError(f"the name of a column of the leaderboard: {taken[0]!r}: call the metric otherwise")
    split_rules(constraints, own.names)
    check(read(objective)[1], own.names)


def check_file(path: str, constraints: Sequence[str], objective: str) -> None:
    """Raise what is wrong with a file of user metrics, and what ``check_names`` raises."""
    with Sandbox() as sandbox:
        check_names(constraints, objective, read_metrics(Path(path), sandbox))


def fingerprint(path: str) -> dict[str, str]:
    """A metrics file in a study's identity: its name, and the hash of its content."""
    return {"name": Path(path).name, "hash": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
