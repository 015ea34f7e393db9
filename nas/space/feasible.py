"""The feasible part of a space: which proposals keep every constraint, and why the others do not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.rules import Constraint, Number, judge
from nas.architecture.spec import Architecture
from nas.space.analytic import metrics
from nas.space.space import Choice, Choices, Space


class EmptySpaceError(UnusableInputError):
    """No network of the space was found to keep all constraints."""


@dataclass(frozen=True)
class Judged:
    """A network with its figures and the constraints that it breaks, in the order they were given."""

    architecture: Architecture
    metrics: Metrics
    broken: tuple[str, ...]


@dataclass(frozen=True)
class FeasiblePart:
    """A space under constraints; the constraints are judged by arithmetic, before any weight is made."""

    space: Space
    constraints: tuple[Constraint, ...]
    tries: int = 20_000

    def judge(self, choices: Choices) -> Judged:
        """The network of ``choices``, judged."""
        architecture = self.space.decode(choices)
        figures = metrics(architecture)
        verdicts = judge(self.constraints, figures.as_dict())
        return Judged(architecture, figures, tuple(v.expr for v in verdicts if not v.ok))

    def sample(self, generator: random.Random) -> dict[str, Choice]:
        """Choices of a feasible network, by rejection from independent uniform choices.

        Raises EmptySpaceError, naming the constraint to relax, where ``tries`` draws find none.
        """
        for _ in range(self.tries):
            choices = self.space.random(generator)
            if not self.judge(choices).broken:
                return choices
        raise EmptySpaceError(self._why_empty(generator))

    def _why_empty(self, generator: random.Random) -> str:
        """Which one constraint, relaxed how far, would let some of 2,000 draws pass; else the one broken most."""
        drawn = [self.judge(self.space.random(generator)) for _ in range(2_000)]
        alone = [j for j in drawn if len(j.broken) == 1]
        if not alone:
            counts = Counter(expr for j in drawn for expr in j.broken)
            several = ", ".join(f"{expr} ({n / len(drawn):.0%})" for expr, n in counts.most_common(3))
            return f"no feasible network in {self.tries:,} draws: most often broken: {several}: relax several of these"
        expr, _ = Counter(j.broken[0] for j in alone).most_common(1)[0]
        constraint = self._by_expr[expr]
        near = _nearest([j for j in alone if j.broken[0] == expr], constraint)
        return (
            f"no feasible network in {self.tries:,} draws: {expr} turns them away: "
            f"relax it (the nearest network that keeps all else has {constraint.metric} {near:,})"
        )

    @cached_property
    def _by_expr(self) -> dict[str, Constraint]:
        return {c.expr: c for c in self.constraints}


def _nearest(judged: Sequence[Judged], constraint: Constraint) -> Number:
    values = [constraint.decisive(j.metrics.as_dict()[constraint.metric]) for j in judged]
    return min((v for v in values if v is not None), key=lambda v: abs(float(v) - float(constraint.limit)))
