"""Parse constraints such as ``"receptive_field > 44"`` into the numbers that they allow; no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import cached_property
from math import floor, inf, isfinite
from typing import Any

from constraints.errors import UnusableInputError
from constraints.intervals import Interval, Number
from constraints.metrics import Metrics
from constraints.suggestions import nearest

ASSIGNMENT = (
    "receptive_field > 44",
    "params < 200k",
    "dilated_convs >= 1",
    "depthwise_separable_convs >= 1",
    "global_average_pools >= 1",
    "max_pools == 0",
    "stages == 4",
    "convs_per_stage >= 3",
)
"""The default constraint set: the assignment's rules."""

Limit = int | Decimal
_OPERATORS: Mapping[str, Callable[[Limit], tuple[Interval, ...]]] = {
    "<": lambda limit: (Interval(high=limit, has_high=False),),
    "<=": lambda limit: (Interval(high=limit),),
    ">": lambda limit: (Interval(low=limit, has_low=False),),
    ">=": lambda limit: (Interval(low=limit),),
    "==": lambda limit: (Interval(low=limit, high=limit),),
    "!=": lambda limit: (Interval(high=limit, has_high=False), Interval(low=limit, has_low=False)),
}
"""What each operator allows: disjoint intervals in ascending order. All judging of constraints is derived from it."""
_SUFFIXES = {"": 0, "k": 3, "m": 6, "g": 9}
_TRUTH = {"true": 1, "false": 0}
_EXPRESSION = re.compile(
    rf"\s*(?P<metric>[A-Za-z_]\w*)\s*(?P<op>{'|'.join(sorted(map(re.escape, _OPERATORS), key=len, reverse=True))})\s*"
    r"(?:(?P<truth>true|false)|(?P<value>[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)\s*(?P<suffix>[kmg]?))\s*",
    re.IGNORECASE | re.ASCII,
)
_EXACT = Context(prec=60)
_LARGEST_EXPONENT = 30


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One rule: a metric, a comparison and a limit, which is exact (an integer, or a Decimal fraction)."""

    metric: str
    op: str
    limit: Limit

    @property
    def expr(self) -> str:
        """The canonical text, ``params < 200000``; it parses back to the same value."""
        return f"{self.metric} {self.op} {self.limit}"

    @cached_property
    def allowed(self) -> tuple[Interval, ...]:
        """The numbers that satisfy it: disjoint intervals in ascending order."""
        return _OPERATORS[self.op](self.limit)

    @cached_property
    def hull(self) -> Interval:
        """The smallest interval that contains every allowed number."""
        first, last = self.allowed[0], self.allowed[-1]
        return Interval(low=first.low, has_low=first.has_low, high=last.high, has_high=last.has_high)

    @cached_property
    def turns(self) -> tuple[int, ...]:
        """The integers whose verdict differs from that of the integer just below, in ascending order."""
        ends = [turn for interval in self.allowed for turn in interval.turns()]
        return tuple(sorted(turn for turn in set(ends) if ends.count(turn) % 2))

    def holds(self, value: Number) -> bool:
        """Whether ``value`` satisfies the comparison; NaN satisfies none."""
        return any(value in interval for interval in self.allowed)

    def implies(self, other: Constraint) -> bool:
        """Whether every value that satisfies it also satisfies ``other``, which is on the same metric."""
        covered = all(any(wide.covers(narrow) for wide in other.allowed) for narrow in self.allowed)
        return self.metric == other.metric and covered

    def change(self, value: Number) -> float:
        """The change that a violating value needs; negative for a decrease; 0 if both directions are equally far."""
        changes = [interval.change(value) for interval in self.allowed]
        nearest = min(map(abs, changes))
        return sum(change for change in changes if abs(change) == nearest)

    def relaxed(self, by: int) -> tuple[tuple[Constraint, ...], ...]:
        """Sets of constraints; an integer at most ``by`` beyond a limit satisfies at least one of the sets.

        A limit between two whole numbers counts as the lower one.
        """
        return tuple(tuple(self._around(interval, by)) for interval in self.allowed)

    def _around(self, interval: Interval, by: int) -> Iterator[Constraint]:
        if interval.low > -inf:
            yield replace(self, op=">=", limit=floor(interval.low) - by)
        if interval.high < inf:
            yield replace(self, op="<=", limit=floor(interval.high) + by)

    def decisive(self, value: Any) -> Number | None:
        """The one number that decides the verdict.

        A metric with several entries (per stage, per axis) satisfies a constraint when every entry does, so
        the entry nearest to violating it counts: the smallest against ``>=``, the largest against ``<=``, and
        the smallest that breaks ``==`` or ``!=``. No entry at all counts as 0. A value that is not a finite number is
        unknown.
        """
        entries = value if isinstance(value, (tuple, list)) else [value]
        return self._worst(entries) if all(map(_is_known, entries)) else None

    def _worst(self, entries: Sequence[Number]) -> Number:
        if self.hull.low == -inf and self.hull.high < inf:
            return max(entries, default=0)
        return min([v for v in entries if not self.holds(v)] or entries, default=0)


def _is_known(value: Number | None) -> bool:
    return isinstance(value, int) or (value is not None and isfinite(value))


def parse(expression: str, known: Iterable[str] | None = ()) -> Constraint:
    """Read ``METRIC OP VALUE``; ``known`` names metrics beside the built-in ones; None skips the check of names.

    VALUE is a decimal number with an optional suffix k, M or G (thousands, millions, billions), kept exactly,
    or ``true`` or ``false``. Raises UnusableInputError on a malformed expression, a number past 10^30, or an
    unknown metric, naming the nearest ones.
    """
    match = _EXPRESSION.fullmatch(expression) if isinstance(expression, str) else None
    if match is None:
        raise UnusableInputError(
            f"not a constraint: {expression!r}: write METRIC OP VALUE, for example 'params < 200k' "
            f"(OP is one of {' '.join(_OPERATORS)})"
        )
    constraint = Constraint(metric=match["metric"], op=match["op"], limit=_limit(match, expression))
    if known is not None:
        check_metric(constraint, known)
    return constraint


def check_metric(constraint: Constraint, known: Iterable[str]) -> None:
    """Raise UnusableInputError where the metric is neither built in nor one of ``known``, naming the nearest ones."""
    names = [*Metrics.definitions(), *known]
    if constraint.metric not in names:
        raise UnusableInputError(f"unknown metric: {constraint.metric!r}: {nearest(constraint.metric, names)}")


def parse_all(
    expressions: str | Constraint | Iterable[str | Constraint], known: Iterable[str] | None = ()
) -> tuple[Constraint, ...]:
    """Parse one or several expressions, in order; Constraint objects are kept.

    Raises UnusableInputError as ``parse`` does, and for an argument without expressions.
    """
    if isinstance(expressions, (str, Constraint)):
        expressions = (expressions,)
    if not isinstance(expressions, Iterable):
        raise UnusableInputError(f"no constraints: {expressions!r}: give expressions such as 'params < 200k'")
    known = None if known is None else tuple(known)
    return tuple(e if isinstance(e, Constraint) else parse(e, known) for e in expressions)


def strongest(constraints: Iterable[Constraint]) -> tuple[Constraint, ...]:
    """The constraints without those that another one implies."""
    kept: list[Constraint] = []
    for constraint in constraints:
        if not any(other.implies(constraint) for other in kept):
            kept = [*(other for other in kept if not constraint.implies(other)), constraint]
    return tuple(kept)


def _limit(match: re.Match[str], expression: str) -> Limit:
    if match["truth"]:
        return _TRUTH[match["truth"].lower()]
    value = match["value"].replace("_", "")
    number = _EXACT.scaleb(_EXACT.create_decimal(value), _SUFFIXES[match["suffix"].lower()])
    if abs(number.adjusted()) > _LARGEST_EXPONENT and number:
        raise UnusableInputError(f"number out of range: {expression!r}: stay within 10^{_LARGEST_EXPONENT}")
    return int(number) if number == number.to_integral_value() else number.normalize(_EXACT)
