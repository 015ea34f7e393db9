"""Parse ``"receptive_field > 44"`` and judge metrics by it; pure arithmetic, no torch."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from constraints.errors import UnusableInputError
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

Number = int | float | Decimal
"""A metric or a limit; a truth value counts as the integer that it is in Python."""

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_SUFFIXES = {"": 0, "k": 3, "m": 6, "g": 9}
_TRUTH = {"true": 1, "false": 0}
_EXPRESSION = re.compile(
    r"\s*(?P<metric>[A-Za-z_]\w*)\s*(?P<op><=|>=|==|!=|<|>)\s*"
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
    limit: int | Decimal

    @property
    def expr(self) -> str:
        """The canonical text, ``params < 200000``; it parses back to the same value."""
        return f"{self.metric} {self.op} {self.limit}"

    def holds(self, value: Number) -> bool:
        """Whether ``value`` satisfies the comparison."""
        return _OPERATORS[self.op](value, self.limit)

    def decisive(self, value: Any) -> Number | None:
        """The one number that decides the verdict.

        A metric with several entries (per stage, per axis) satisfies a constraint when every entry does, so
        the entry nearest to breaking it counts: the smallest against ``>=``, the largest against ``<=``, and
        the first that breaks ``==`` or ``!=``. No entry at all counts as 0. What is not a finite number is
        unknown.
        """
        if isinstance(value, (tuple, list)):
            return self._worst([v for v in value if v is not None]) if None not in value else None
        return value if value is not None and math.isfinite(value) else None

    def _worst(self, entries: list[Number]) -> Number:
        if self.op in {"<", "<="}:
            return max(entries, default=0)
        breaking = [v for v in entries if not self.holds(v)] if self.op in {"==", "!="} else []
        return min(breaking or entries, default=0)


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

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        value = float(self.value) if isinstance(self.value, Decimal) else self.value
        return {**self.__dict__, "value": value, "fix": list(self.fix), "layers": list(self.layers)}

    def __getitem__(self, key: str) -> Any:
        """A field as the JSON shows it."""
        return self.as_dict()[key]


def parse(expression: str, known: Iterable[str] = ()) -> Constraint:
    """Read ``METRIC OP VALUE``; ``known`` names metrics beside the built-in ones.

    VALUE is a decimal number with an optional suffix k, M or G (thousands, millions, billions), kept exactly,
    or ``true`` or ``false``. Raises UnusableInputError on a malformed expression, a number past 10^30, or an
    unknown metric, naming the nearest ones.
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise UnusableInputError(
            f"not a constraint: {expression!r}: write METRIC OP VALUE, for example 'params < 200k' "
            f"(OP is one of {' '.join(_OPERATORS)})"
        )
    names = [*Metrics.definitions(), *known]
    if match["metric"] not in names:
        raise UnusableInputError(f"unknown metric: {match['metric']!r}: {_nearest(match['metric'], names)}")
    return Constraint(metric=match["metric"], op=match["op"], limit=_limit(match, expression))


def parse_all(expressions: Iterable[str], known: Iterable[str] = ()) -> tuple[Constraint, ...]:
    """Parse several expressions, in order."""
    known = tuple(known)
    return tuple(parse(e, known) for e in expressions)


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
    return Verdict(name=constraint.metric, expr=constraint.expr, value=value, ok=ok, why=why, layers=layers)


def _distance(constraint: Constraint, value: Number, ok: bool) -> str:
    """How far ``value`` is from the limit, in words."""
    gap = Decimal(value) - constraint.limit
    side = "above" if gap > 0 else "below"
    place = f"{_text(abs(gap))} {side} {_text(constraint.limit)}" if gap else f"at the limit {_text(constraint.limit)}"
    ending = "" if ok else f", must be {constraint.op} {_text(constraint.limit)}"
    return f"{_text(value)} is {place}{ending}"


def _text(number: Number) -> str:
    return f"{int(number):,}" if number == int(number) else f"{float(number):,.6g}"


def _limit(match: re.Match[str], expression: str) -> int | Decimal:
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
