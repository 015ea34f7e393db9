"""The declaration of a recipe option: meaning, allowed values, and the range that ``--tune`` uses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from constraints.errors import UnusableInputError

_KEY = "option"


@dataclass(frozen=True, kw_only=True)
class Option:
    """Allowed values from ``low`` to ``high``, inclusive unless ``above`` or ``below`` excludes an end.

    ``tune`` is the range for ``--tune`` where a recipe file gives none; ``factor`` derives that range from the recipe's
    value: from value / factor to value * factor (around ``middle`` where the value is 0), for a whole number as three
    choices. ``used_under`` names another option, and its values for which this one has an effect.
    """

    meaning: str
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    unit: str = ""
    tune: tuple[float, float] | None = None
    factor: float | None = None
    middle: float = 0.1
    used_under: tuple[str, tuple[str, ...]] | None = None
    is_tuned: bool = True
    is_whole: bool = False
    """Whether it is a whole number, by its annotation."""

    def holds(self, value: float) -> bool:
        """Whether a value is allowed; NaN and infinity never are."""
        if not math.isfinite(value):
            return False
        over = value > self.low if self.above else value >= self.low
        return over and (value < self.high if self.below else value <= self.high)

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        low = f"more than {self.low:g}" if self.above else f"{self.low:g} or more"
        if math.isinf(self.high):
            return f"{low} {self.unit}".rstrip()
        if self.below:
            return f"{low} and less than {self.high:g}"
        return f"{low}, up to {self.high:g}" if self.above else f"{self.low:g} to {self.high:g}"


def option(default: Any, meaning: str, **says: Any) -> Any:
    """A field of a frozen dataclass with its ``default``; ``says`` are the fields of ``Option``."""
    return field(default=default, metadata={_KEY: Option(meaning=meaning, **says)})


def declared(kind: Any) -> Mapping[str, Option]:
    """The options of a dataclass, or of one of its values, by name."""
    return {one.name: _of(one) for one in fields(kind) if _KEY in one.metadata}


def check(value: Any) -> None:
    """Raise UnusableInputError for the first number among a dataclass's options that is out of its range."""
    for name, one in declared(value).items():
        found = getattr(value, name)
        if isinstance(found, int | float) and not isinstance(found, bool) and not one.holds(found):
            raise UnusableInputError(f"{name} is out of range: {found}: give {one.allowed}")


def _of(declaration: Field[Any]) -> Option:
    said: Option = declaration.metadata[_KEY]
    return Option(**{**vars(said), "is_whole": declaration.type in {"int", int}})
