"""The metrics of candidates that the arithmetic of the space does not hold: a user's own, and the predicted latency.

They are measured before a candidate trains. One that breaks a rule on them is rejected as one is that breaks a rule of
the arithmetic, and becomes no trial. A user's code runs in the limited child of ``constraints.sandbox``.
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
"""Metrics that every row of a leaderboard holds."""
TAKEN = IN_EVERY_ROW | {
    "rank", "trial", "state", "val_accuracy", "test_accuracy", "test_std", "test_seeds", "val_balanced_accuracy",
    "test_balanced_accuracy", "epochs", "seconds", "meets_target", "architecture", "pareto", "reason", "curve",
    "origin", "seed", "broken", "latency", "study", "images", "recipe", "augmentation", "tuned", "why", "label",
    "finished", "won", "champion", "sizes_mb", "stages", "head", "report", "accuracy", "balanced_accuracy", LATENCY,
}  # fmt: skip
"""Names that a user's metric may not have, since a row or a trial in full has them; a test holds them together."""


@dataclass(kw_only=True)
class Measures:
    """What measures candidates, and the rules on that."""

    own: UserMetrics | None = None
    latency: Predictor | None = None
    """Of this machine; None where nothing asks for milliseconds."""
    objectives: Sequence[str] = ()
    """Metrics beside the accuracy that the search goes by; those that are in every row need no other place."""
    rules: tuple[Constraint, ...] = ()
    """Those on what is measured."""
    counted: tuple[Constraint, ...] = ()
    """The launch's other rules, which arithmetic judges."""
    _known: dict[str, dict[str, float]] = field(default_factory=dict)
    """By the text of a network, what it was measured to be."""

    def of(self, architecture: Architecture) -> Mapping[str, float]:
        """The metrics of a network by name; it is built for those of the user's.

        Raises ModelFailedError, naming metric and network, where the user's code raises, hangs, or gives no number.
        """
        text = str(architecture)
        if text not in self._known:
            self._known[text] = self._measured(architecture)
        return self._known[text]

    def broken(self, architecture: Architecture) -> str | None:
        """The first of the rules that a network breaks; None where it keeps them all. Raises as ``of`` does."""
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
        """What was measured, and the counted metrics that are objectives and known."""
        wanted = [name for name in self.objectives if name not in found and name not in IN_EVERY_ROW]
        known = {name: value for name in wanted if (value := counted.as_dict().get(name)) is not None}
        return {**found, **known}

    def of_code(
        self, target: Target, arguments: Mapping[str, Any], shape: Sequence[int], traced: Metrics
    ) -> Mapping[str, float]:
        """The same of a network that a person's own code makes, and that is no architecture.

        ``traced`` are its counted metrics. Its latency is not among these: it is predicted from an architecture alone.
        Raises as ``of`` does.
        """
        own = self.own
        found = {} if own is None else _by_user(own, lambda: own.measure_code(target, arguments, shape))
        return self._with_objectives(found, traced)

    def verdicts(self, values: Mapping[str, float]) -> tuple[Verdict, ...]:
        """The rules, judged by what was measured; one on what is not known is broken."""
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
    """The constraints on counted metrics, and those on measured ones; ``own`` names the user's metrics.

    Raises UnusableInputError for a metric that is neither.
    """
    measured = {LATENCY, *own}
    rules = parse_all(constraints, measured)
    return tuple(r for r in rules if r.metric not in measured), tuple(r for r in rules if r.metric in measured)


def counted(constraints: Sequence[str]) -> tuple[Constraint, ...]:
    """The constraints of a study that arithmetic judges: all but those on the user's metrics and the latency."""
    return tuple(rule for rule in parse_all(constraints, None) if rule.metric in Metrics.definitions())


def needs_latency(constraints: Sequence[str], objective: str) -> bool:
    """Whether a constraint or an objective is the latency."""
    names = [rule.metric for rule in parse_all(constraints, None)] + [aim.name for aim in read(objective)[1]]
    return LATENCY in names


def check_names(constraints: Sequence[str], objective: str, own: UserMetrics) -> None:
    """Raise UnusableInputError for a metric that there is not, and for one of the user's whose name is taken."""
    if taken := sorted({*own.names} & TAKEN):
        raise UnusableInputError(f"the name of a column of the leaderboard: {taken[0]!r}: call the metric otherwise")
    split_rules(constraints, own.names)
    check(read(objective)[1], own.names)


def check_file(path: str, constraints: Sequence[str], objective: str) -> None:
    """Raise what is wrong with a file of the user's metrics, and as ``check_names`` does."""
    with Sandbox() as sandbox:
        check_names(constraints, objective, read_metrics(Path(path), sandbox))


def fingerprint(path: str) -> dict[str, str]:
    """What a study's identity holds of a file of metrics: its name, and the hash of what it says."""
    return {"name": Path(path).name, "hash": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
