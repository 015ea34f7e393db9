"""What a check of a model asks: its input, its rules, and what else is to be measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from constraints.inputs import Sizes
from constraints.rules import Constraint
from constraints.user_metrics import CustomMetric


@dataclass(frozen=True, kw_only=True)
class Question:
    """The arguments of ``check``, except the model."""

    input_size: Sizes
    input_data: Any = None
    require: str | Iterable[str | Constraint] | None = None
    metrics: tuple[CustomMetric, ...] = ()
    classes: int | None = None
    verify: bool = False
    threads: int = 1
    fixes_seconds: float = 10.0
    """Time limit of the search for fixes; 0 means no search."""
    target: str = ""
