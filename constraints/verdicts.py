"""Judge metrics by constraints, and explain in words how far each is from its limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from constraints.intervals import Number
from constraints.rules import Constraint


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of one constraint on one network; ``verdict["ok"]`` reads a field as in the JSON."""

    name: str
    expr: str
    value: Number | bool | None
    ok: bool
    why: str
    fix: tuple[str, ...] = ()
    """Changes, tried on a copy of the model, that make the constraint hold and break no other; else general advice."""
    layers: tuple[str, ...] = ()
    """Names of the layers that the metric counts or is about."""
    constraint: Constraint | None = field(default=None, compare=False, repr=False)
    """The constraint that was judged; None for a rule in words, or if only the JSON is known."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        fields = {name: value for name, value in self.__dict__.items() if name != "constraint"}
        value = float(self.value) if isinstance(self.value, Decimal) else self.value
        return {**fields, "value": value, "fix": list(self.fix), "layers": list(self.layers)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], constraints: Iterable[Constraint] = ()) -> Verdict:
        """Read back what ``as_dict`` wrote; the constraint is the one in ``constraints`` whose text is ``expr``."""
        constraint = next((c for c in constraints if c.expr == fields["expr"]), None)
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(**{**fields, **lists}, constraint=constraint)

    def __getitem__(self, key: str) -> Any:
        """A field as in the JSON."""
        return self.as_dict()[key]


def judge(
    constraints: Iterable[Constraint],
    metrics: Mapping[str, Any],
    *,
    unknown: Mapping[str, str] | None = None,
    responsible: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Verdict, ...]:
    """Compare each constraint with the metric that it names.

    A metric that is ``None`` (or not a finite number) fails, with the reason that ``unknown`` gives for
    it; ``responsible`` names the layers that each metric counts or is about.
    """
    unknown, responsible = unknown or {}, responsible or {}
    return tuple(
        _verdict(c, metrics[c.metric], unknown.get(c.metric, ""), responsible.get(c.metric, ())) for c in constraints
    )


def _verdict(constraint: Constraint, metric: Any, reason: str, layers: tuple[str, ...]) -> Verdict:
    value = constraint.decisive(metric)
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
