"""Check any PyTorch model against hard rules: ``from constraints import check``.

The names load on first use, so that importing the package, its rules or its report needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constraints.augmentation import judge_augmentation
    from constraints.checker import check
    from constraints.errors import ConstraintError, ModelFailedError, UnusableInputError
    from constraints.report import Report
    from constraints.user_metrics import metric

__all__ = [
    "ConstraintError",
    "ModelFailedError",
    "Report",
    "UnusableInputError",
    "check",
    "judge_augmentation",
    "metric",
]

_HOMES = {
    "ConstraintError": "errors",
    "ModelFailedError": "errors",
    "Report": "report",
    "UnusableInputError": "errors",
    "check": "checker",
    "judge_augmentation": "augmentation",
    "metric": "user_metrics",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
