"""Parse ``"receptive_field > 44"`` and judge metrics by it; pure arithmetic, no torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from functools import cached_property
from math import floor, inf, isfinite
from typing import Any

from constraints.errors import UnusableInputError
from constraints.intervals import Interval, Number
from constraints.metrics import Metrics

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
"""What each operator allows: disjoint intervals in ascending order. All that judges a constraint follows from it."""
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
        """The smallest interval that holds every allowed number."""
        first, last = self.allowed[0], self.allowed[-1]
        return Interval(low=first.low, has_low=first.has_low, high=last.high, has_high=last.has_high)

    @cached_property
    def turns(self) -> tuple[int, ...]:
        """The whole numbers whose verdict differs from that of the whole number just below, ascending."""
        ends = [turn for interval in self.allowed for turn in interval.turns()]
        return tuple(sorted(turn for turn in set(ends) if ends.count(turn) % 2))

    def holds(self, value: Number) -> bool:
        """Whether ``value`` satisfies the comparison; what is not a number (NaN) satisfies none."""
        return any(value in interval for interval in self.allowed)

    def implies(self, other: Constraint) -> bool:
        """Whether whatever satisfies it satisfies ``other``, which is on the same metric, too."""
        covered = all(any(wide.covers(narrow) for wide in other.allowed) for narrow in self.allowed)
        return self.metric == other.metric and covered

    def change(self, value: Number) -> float:
        """By how much a value that breaks it has to change; negative: to fall; 0 where either way is as near."""
        changes = [interval.change(value) for interval in self.allowed]
        nearest = min(map(abs, changes))
        return sum(change for change in changes if abs(change) == nearest)

    def relaxed(self, by: int) -> tuple[tuple[Constraint, ...], ...]:
        """Sets of constraints, one of which lets any whole number pass that is at most ``by`` beyond a limit.

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
        the entry nearest to breaking it counts: the smallest against ``>=``, the largest against ``<=``, and
        the smallest that breaks ``==`` or ``!=``. No entry at all counts as 0. What is not a finite number is
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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one constraint on one network; ``verdict["ok"]`` reads a field as the JSON shows it."""

    name: str
    expr: str
    value: Number | bool | None
    ok: bool
    why: str
    fix: tuple[str, ...] = ()
    """Changes, each tried on a copy of the model, that satisfy the constraint and break no other; else advice."""
    layers: tuple[str, ...] = ()
    """Names of the layers that the metric counts or is about."""
    constraint: Constraint | None = field(default=None, compare=False, repr=False)
    """The constraint that was judged; None for a rule in words, and where only the JSON is known."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        fields = {name: value for name, value in self.__dict__.items() if name != "constraint"}
        value = float(self.value) if isinstance(self.value, Decimal) else self.value
        return {**fields, "value": value, "fix": list(self.fix), "layers": list(self.layers)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], constraints: Iterable[Constraint] = ()) -> Verdict:
        """Read back what ``as_dict`` wrote, with that of ``constraints`` whose text ``expr`` is."""
        constraint = next((c for c in constraints if c.expr == fields["expr"]), None)
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(**{**fields, **lists}, constraint=constraint)

    def __getitem__(self, key: str) -> Any:
        """A field as the JSON shows it."""
        return self.as_dict()[key]


def parse(expression: str, known: Iterable[str] | None = ()) -> Constraint:
    """Read ``METRIC OP VALUE``; ``known`` names metrics beside the built-in ones, None leaves the name to be checked.

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
        raise UnusableInputError(f"unknown metric: {constraint.metric!r}: {_nearest(constraint.metric, names)}")


def parse_all(
    expressions: str | Constraint | Iterable[str | Constraint], known: Iterable[str] | None = ()
) -> tuple[Constraint, ...]:
    """Parse one or several expressions, in order; what is a constraint already stays as it is.

    Raises UnusableInputError as ``parse`` does, and for what holds no expressions at all.
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


def judge(
    constraints: Iterable[Constraint],
    figures: Mapping[str, Any],
    *,
    unknown: Mapping[str, str] | None = None,
    responsible: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Verdict, ...]:
    """Compare each constraint with the metric that it names.

    A metric of ``None`` (or one that is no finite number) fails, with the reason that ``unknown`` gives for
    it; ``responsible`` names the layers behind each metric.
    """
    unknown, responsible = unknown or {}, responsible or {}
    return tuple(
        _verdict(c, figures[c.metric], unknown.get(c.metric, ""), responsible.get(c.metric, ())) for c in constraints
    )


def _verdict(constraint: Constraint, figure: Any, reason: str, layers: tuple[str, ...]) -> Verdict:
    value = constraint.decisive(figure)
    if value is None:
        ok, why = False, f"{constraint.metric} is unknown: {reason or 'no finite number'}"
    else:
        ok = constraint.holds(value)
        why = _distance(constraint, value, ok)
    return Verdict(
        name=constraint.metric,
        expr=constraint.expr,
        value=value,
        ok=ok,
        why=why,
        layers=layers,
        constraint=constraint,
    )


def _distance(constraint: Constraint, value: Number, ok: bool) -> str:
    """How far ``value`` is from the limit, in words."""
    gap = Decimal(value) - constraint.limit
    side = "above" if gap > 0 else "below"
    place = f"{_text(abs(gap))} {side} {_text(constraint.limit)}" if gap else f"at the limit {_text(constraint.limit)}"
    ending = "" if ok else f", must be {constraint.op} {_text(constraint.limit)}"
    return f"{_text(value)} is {place}{ending}"


def _text(number: Number) -> str:
    return f"{int(number):,}" if number == int(number) else f"{float(number):,.6g}"


def _limit(match: re.Match[str], expression: str) -> Limit:
    if match["truth"]:
        return _TRUTH[match["truth"].lower()]
    value = match["value"].replace("_", "")
    number = _EXACT.scaleb(_EXACT.create_decimal(value), _SUFFIXES[match["suffix"].lower()])
    if abs(number.adjusted()) > _LARGEST_EXPONENT and number:
        raise UnusableInputError(f"number out of range: {expression!r}: stay within 10^{_LARGEST_EXPONENT}")
    return int(number) if number == number.to_integral_value() else number.normalize(_EXACT)


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {', '.join(near)}?" if near else f"use one of {', '.join(names)}"
