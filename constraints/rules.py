"""Parse ``"receptive_field > 44"`` and judge figures by it; pure arithmetic, no torch."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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

Number = int | float | bool

_OPERATORS: Mapping[str, Callable[[Number, Number], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_EXPRESSION = re.compile(
    r"\s*(?P<metric>[A-Za-z_]\w*)\s*(?P<op><=|>=|==|!=|<|>)\s*"
    r"(?P<value>-?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<suffix>[kKmMgG]?)\s*"
)


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One rule: a metric, a comparison and a limit."""

    metric: str
    op: str
    limit: Number

    @property
    def expr(self) -> str:
        """The canonical text, ``params < 200000``; it parses back to the same value."""
        return f"{self.metric} {self.op} {self.limit}"

    def holds(self, value: Number) -> bool:
        """Whether ``value`` satisfies the comparison."""
        return _OPERATORS[self.op](value, self.limit)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one constraint on one network."""

    name: str
    expr: str
    value: Number | None
    ok: bool
    why: str
    fix: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return {**self.__dict__, "fix": list(self.fix)}


def parse(expression: str, known: Iterable[str] = ()) -> Constraint:
    """Read ``METRIC OP VALUE``; ``known`` names metrics beside the built-in ones.

    Raises UnusableInputError on a malformed expression or an unknown metric, naming the nearest ones.
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise UnusableInputError(
            f"not a constraint: {expression!r}: write METRIC OP VALUE, for example 'params < 200k' "
            f"(OP is one of {' '.join(_OPERATORS)})"
        )
    names = [*Metrics.definitions(), *known]
    if match["metric"] not in names:
        near = difflib.get_close_matches(match["metric"], names, n=3, cutoff=0.4) or names
        raise UnusableInputError(f"unknown metric: {match['metric']!r}: did you mean {', '.join(near)}?")
    return Constraint(metric=match["metric"], op=match["op"], limit=_number(match["value"], match["suffix"]))


def parse_all(expressions: Iterable[str], known: Iterable[str] = ()) -> tuple[Constraint, ...]:
    """Parse several expressions, in order."""
    known = tuple(known)
    return tuple(parse(e, known) for e in expressions)


def scalar(value: Any) -> Number | None:
    """The one number that a metric is compared by: of several (per stage, per axis) the smallest."""
    if isinstance(value, (tuple, list)):
        return min(value, default=0)
    return value  # type: ignore[no-any-return]


def judge(constraints: Iterable[Constraint], figures: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """Compare each constraint with the figure that it names; a figure of ``None`` fails as unknown."""
    return tuple(_verdict(c, scalar(figures[c.metric])) for c in constraints)


def _verdict(constraint: Constraint, value: Number | None) -> Verdict:
    if value is None:
        ok, why = False, f"{constraint.metric} is unknown"
    else:
        ok = constraint.holds(value)
        distance = abs(value - constraint.limit)
        why = f"{constraint.metric} is {value:,}, {'within' if ok else 'misses'} {constraint.expr}"
        why += f" by {distance:,}" if distance else ""
    return Verdict(name=constraint.metric, expr=constraint.expr, value=value, ok=ok, why=why)


def _number(text: str, suffix: str) -> Number:
    number = float(text) * _SUFFIXES[suffix.lower()]
    return int(number) if number.is_integer() else number
