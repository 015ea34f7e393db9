"""Metrics that a user defines: a decorated function of the model and its trace."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, overload

from constraints.errors import ModelFailedError, UnusableInputError, with_type
from constraints.metrics import LATENCIES, Metrics

_PAST_FLOATS = 2**1024 - 2**970
"""The least whole number that is rounded to no finite float."""
Compute = Callable[[Any, Any], int | float | bool]


@dataclass(frozen=True, kw_only=True)
class CustomMetric:
    """A named metric computed by ``compute(model, trace)``: one number or bool."""

    name: str
    definition: str
    compute: Compute
    maximised: bool = False
    """Whether a search with this objective maximises it."""

    def __call__(self, model: Any, trace: Any) -> int | float | bool:
        """The metric; raises ModelFailedError where the user's function raises or returns no number."""
        try:
            value = self.compute(model, trace)
            number = _plain(value)
            shown = "" if number is not None else " ".join(repr(value).split())
        except Exception as error:
            raise ModelFailedError(f"metric {self.name!r} raised {with_type(error)}") from error
        if number is None:
            wanted = "a finite number" if isinstance(value, Integral) else "one number or truth value"
            raise ModelFailedError(f"metric {self.name!r} gave {shown:.100}: return {wanted}")
        return number


def _plain(value: Any) -> int | float | bool | None:
    """A number as a Python number, also from NumPy, a tensor, a Fraction or a Decimal; None for anything else."""
    if not isinstance(value, Real | Decimal) and getattr(value, "size", None) is not None:
        with suppress(Exception):  # an array or a tensor of several values, or one without values
            value = value.item()
    if isinstance(value, bool | int | float) and type(value) in {bool, int, float}:
        number: int | float | bool = value
    elif isinstance(value, Integral):
        number = int(value)
    elif isinstance(value, Real | Decimal):
        number = float(value)
    else:
        return None
    return number if isinstance(number, float) or abs(number) < _PAST_FLOATS else None


class MetricNameError(UnusableInputError, ValueError):
    """A function gives its metric a name that is taken, or none."""


@overload
def metric(function: Compute) -> CustomMetric: ...


@overload
def metric(*, maximised: bool) -> Callable[[Compute], CustomMetric]: ...


def metric(
    function: Compute | None = None, *, maximised: bool = False
) -> CustomMetric | Callable[[Compute], CustomMetric]:
    """Make a metric of ``function(model, trace)``, with the function's name, and its docstring as the definition.

    As an objective of a search it is minimised; ``@metric(maximised=True)`` has it maximised.

    The result is a plain value; there is no registry: pass it to ``check(model, metrics=[...])``, or define it (or
    import it) in the file that ``validate`` is given, where it is found automatically. Raises ValueError when the
    name is a built-in metric's, and for what is no function with a name.
    """
    if function is None:
        return lambda given: _made(given, maximised=maximised)
    return _made(function, maximised=maximised)


def _made(function: Compute, *, maximised: bool) -> CustomMetric:
    name = getattr(function, "__name__", "")
    if not (callable(function) and name):  # a partial, a value
        raise MetricNameError(f"a metric has the name of its function: {function!r} has none: decorate a function")
    if name in {*Metrics.definitions(), *LATENCIES}:
        raise MetricNameError(f"a built-in metric has this name: {name!r}: choose another")
    return CustomMetric(name=name, definition=inspect.getdoc(function) or "", compute=function, maximised=maximised)


def found_in(namespace: Mapping[str, Any]) -> tuple[CustomMetric, ...]:
    """The metrics in a module's namespace, each once, in order; raises MetricNameError where two share a name."""
    found: dict[str, CustomMetric] = {}
    for metric in (value for value in namespace.values() if isinstance(value, CustomMetric)):
        if found.setdefault(metric.name, metric) is not metric:
            raise MetricNameError(f"two metrics have one name: {metric.name!r}: rename one of their functions")
    return tuple(found.values())
