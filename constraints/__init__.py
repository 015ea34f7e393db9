"""Check any PyTorch model against constraints: ``from constraints import check``.

The names load on first use, so that importing the package, its rules or its report needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constraints.augmentation import judge_augmentation
    from constraints.checker import check
    from constraints.errors import ConstraintError, ModelFailedError, UnusableInputError
    from constraints.gradient_probe import probe
    from constraints.inputs import InputSpec
    from constraints.metrics import Layer, Metrics
    from constraints.operators import register_operator
    from constraints.report import Report
    from constraints.rules import ASSIGNMENT, Constraint, parse
    from constraints.tracer import Trace, trace
    from constraints.user_metrics import metric
    from constraints.verdicts import Verdict

__all__ = [
    "ASSIGNMENT",
    "Constraint",
    "ConstraintError",
    "InputSpec",
    "Layer",
    "Metrics",
    "ModelFailedError",
    "Report",
    "Trace",
    "UnusableInputError",
    "Verdict",
    "check",
    "judge_augmentation",
    "metric",
    "parse",
    "probe",
    "register_operator",
    "trace",
]

_HOMES = {
    "ASSIGNMENT": "rules",
    "Constraint": "rules",
    "ConstraintError": "errors",
    "InputSpec": "inputs",
    "Layer": "metrics",
    "Metrics": "metrics",
    "ModelFailedError": "errors",
    "Report": "report",
    "Trace": "tracer",
    "UnusableInputError": "errors",
    "Verdict": "verdicts",
    "check": "checker",
    "judge_augmentation": "augmentation",
    "metric": "user_metrics",
    "parse": "rules",
    "probe": "gradient_probe",
    "register_operator": "operators",
    "trace": "tracer",
}
"""Name -> the module that defines it; no module of the package has one of these names."""

if not TYPE_CHECKING:  # so that a type checker accepts these names only

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, which a notebook completes: neither what is imported here nor modules."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
