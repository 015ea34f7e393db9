"""The feasible part of a space: which proposals satisfy every constraint, and why others do not."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from constraints.errors import UnusableInputError
from constraints.intervals import Number
from constraints.metrics import Metrics
from constraints.rules import Constraint
from constraints.verdicts import judge
from nas.architecture.spec import Architecture
from nas.space.analytic import metrics
from nas.space.bulk_features import BulkFeatures
from nas.space.bulk_metrics import ALIASES, Mask, Vector
from nas.space.counting import exact_count
from nas.space.counting.exact_draws import ExactDraws
from nas.space.counting.half_paths import TooLargeError
from nas.space.counting.listing import list_feasible
from nas.space.counting.relaxation import smallest
from nas.space.space import Choice, Choices, Encoded, Space
from nas.space.uniform_draws import draw, draw_feasible, encodings, enumerate_all

ENUMERABLE = 300_000
"""A space with at most this many encodings, or a feasible part of this size, is listed instead of sampled."""
PROBE = 200_000
"""After this many draws with fewer than RARE feasible ones, networks are listed or drawn by exact counts."""
RARE = 20
_SMALLEST = "the smallest change that makes it non-empty"


class EmptySpaceError(UnusableInputError):
    """No network of the space was found that satisfies all constraints."""


@dataclass(frozen=True)
class Judged:
    """A network with its metrics and the constraints that it breaks, in the order they were given."""

    architecture: Architecture
    metrics: Metrics
    broken: tuple[str, ...]


@dataclass(frozen=True)
class FeasiblePart:
    """A space with constraints, which are evaluated by arithmetic, before any network is built."""

    space: Space
    constraints: tuple[Constraint, ...]
    tries: int = 2_000_000
    """Draws from the whole space after which the feasible part counts as empty."""

    @cached_property
    def vector(self) -> Vector:
        """The space's tables."""
        return Vector(self.space)

    @cached_property
    def features(self) -> BulkFeatures:
        """Computes a proxy's features of encoded candidates."""
        return BulkFeatures(self.vector)

    @cached_property
    def listed(self) -> Encoded | None:
        """Every feasible network, if the space or its feasible part is small enough to list; otherwise None."""
        if self._is_small:
            rows = enumerate_all(self.vector)
            return rows[self.vector.feasible(rows, self.constraints)]
        if not self._is_rare:
            return None
        number = exact_count.feasible(self.vector, self.constraints)
        return list_feasible(self.vector, self.constraints) if number is not None and number <= ENUMERABLE else None

    @cached_property
    def _is_rare(self) -> bool:
        rows, _ = draw_feasible(self.vector, self.constraints, RARE, np.random.default_rng(0), tries=PROBE)
        return len(rows) < RARE

    @cached_property
    def _exact_draws(self) -> ExactDraws | None:
        """Draws by exact counts, where the feasible part is too rare to sample and too large to list; else None."""
        try:
            draws = ExactDraws(self.vector, self.constraints) if self._is_rare else None
        except TooLargeError:
            return None
        return draws if draws is not None and draws.size else None

    @property
    def _is_small(self) -> bool:
        return encodings(self.vector) <= ENUMERABLE

    def judge(self, choices: Choices) -> Judged:
        """The network of ``choices``, with metrics and verdicts."""
        return self.judged(self.space.decode(choices))

    def judged(self, architecture: Architecture) -> Judged:
        """A network, of the space or not, with metrics and verdicts."""
        found = metrics(architecture, self.constraints)
        verdicts = judge(self.constraints, found.as_dict())
        return Judged(architecture, found, tuple(v.expr for v in verdicts if not v.ok))

    def broken(self, rows: Encoded) -> Mask:
        """(n, constraints): which constraints each encoded candidate breaks."""
        return ~self.vector.verdicts(rows, self.constraints)

    def sample(self, generator: random.Random) -> dict[str, Choice]:
        """Choices of a feasible network, drawn uniformly from all of them.

        Raises EmptySpaceError, naming the smallest relaxation, where there is none.
        """
        return self.space.choices(self.sample_rows(1, np.random.default_rng(generator.getrandbits(64)))[0])

    def sample_rows(self, n: int, generator: np.random.Generator) -> Encoded:
        """``n`` encoded networks, independent and uniform over the feasible part; as ``sample``."""
        if self.listed is not None:
            if not len(self.listed):
                raise EmptySpaceError(self._why_empty(generator))
            return self.listed[generator.integers(len(self.listed), size=n)]
        if self._exact_draws is not None:
            return self._exact_draws.draw(n, generator)
        tries = self.tries * max(1, n)
        rows, drawn = draw_feasible(self.vector, self.constraints, 1, generator, tries=self.tries)
        if not len(rows):
            raise EmptySpaceError(self._why_empty(generator))
        if n == 1:
            return rows
        rows, drawn = draw_feasible(self.vector, self.constraints, n, generator, tries=tries)
        if len(rows) < n:
            raise EmptySpaceError(
                f"only {len(rows):,} of {n:,} feasible networks in {drawn:,} draws: relax a constraint"
            )
        return rows

    def _why_empty(self, generator: np.random.Generator) -> str:
        """The smallest relaxation that makes some network feasible; from draws where it is not counted exactly."""
        count = None if self._is_small else exact_count.count(self.vector, self.constraints)
        if count is not None and count.feasible:
            return f"none of the {count.feasible:,} feasible networks in {self.tries:,} draws: relax a constraint"
        if count is not None and (relaxed := smallest(self.vector, self.constraints)) is not None:
            return (
                f"no feasible network in {exact_count.size(self.vector):,}: relax {relaxed.constraint.expr} "
                f"(to let {relaxed.constraint.metric} be {relaxed.value:,}): {_SMALLEST}"
            )
        rows = enumerate_all(self.vector) if self._is_small else draw(self.vector, 500_000, generator)
        broken = self.broken(rows)
        looked = f"{len(rows):,} networks" if self._is_small else f"{len(rows):,} draws"
        fewest = int(broken.sum(1).min())
        rows, broken = rows[broken.sum(1) == fewest], broken[broken.sum(1) == fewest]
        row = int(self._distances(rows, broken).argmin())
        which = [c for c, b in zip(self.constraints, broken[row], strict=True) if b]
        judged = self.judge(self.space.choices(rows[row])).metrics.as_dict()
        changes = " and ".join(f"{c.expr} (to let {c.metric} be {_value(c, judged[c.metric]):,})" for c in which)
        certain = _SMALLEST if self._is_small else "the smallest change found"
        return f"no feasible network in {looked}: relax {changes}: {certain}"

    def _distances(self, rows: Encoded, broken: Mask) -> np.ndarray:
        """(n,): how far each row's values are from the limits that it breaks, relative to these limits."""
        found = self.vector.metrics(rows)
        total = np.zeros(len(rows))
        for c, breaks in zip(self.constraints, broken.T, strict=True):
            gaps = np.abs(_decisive(c, found[ALIASES.get(c.metric, c.metric)]) - float(c.limit))
            total += np.where(breaks, gaps / max(1.0, abs(float(c.limit))), 0.0)
        return total


def _decisive(constraint: Constraint, values: np.ndarray) -> np.ndarray:
    """(n,): the entry of each row that decides; negative entries are padding."""
    if values.ndim == 1:
        return values
    rows, which = np.unique(values, axis=0, return_inverse=True)
    deciding = [_value(constraint, [entry for entry in row if entry >= 0]) for row in rows.tolist()]
    return np.array(deciding)[which]


def _value(constraint: Constraint, found: object) -> Number:
    value = constraint.decisive(found)
    return 0 if value is None else value
