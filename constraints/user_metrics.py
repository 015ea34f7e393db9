"""Metrics that a user defines: a decorated function of the model and its trace."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from constraints.errors import ModelFailedError
from constraints.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class CustomMetric:
    """A named metric that ``compute(model, trace)`` works out; one number or truth value."""

    name: str
    definition: str
    compute: Callable[[Any, Any], int | float | bool]

    def __call__(self, model: Any, trace: Any) -> int | float | bool:
        """The metric; raises ModelFailedError where the user's function raises or returns no number."""
        try:
            value = self.compute(model, trace)
        except Exception as error:
            raise ModelFailedError(f"metric {self.name!r} raised {type(error).__name__}: {error}") from error
        if not isinstance(value, (int, float)):
            raise ModelFailedError(f"metric {self.name!r} gave {value!r}: return one number or truth value")
        return value


def metric(function: Callable[[Any, Any], int | float | bool]) -> CustomMetric:
    """Make a metric of ``function(model, trace)``: its name is the metric's, its docstring the definition.

    The result is a value, kept in no registry: pass it to ``check(model, metrics=[...])``, or define it (or
    import it) in the file that ``validate`` is given, where it is found by itself. Raises ValueError when the
    name is a built-in metric's.
    """
    if function.__name__ in Metrics.definitions():
        raise ValueError(f"a built-in metric has this name: {function.__name__!r}: choose another")
    return CustomMetric(name=function.__name__, definition=inspect.getdoc(function) or "", compute=function)


def found_in(namespace: Mapping[str, Any]) -> tuple[CustomMetric, ...]:
    """The metrics that a module's namespace holds, each once, in order."""
    return tuple({m.name: m for m in namespace.values() if isinstance(m, CustomMetric)}.values())
