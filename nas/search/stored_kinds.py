"""Kinds of stored values: what a value of a study must be, and where one is of another kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isnan
from typing import Any, Protocol

_LONGEST = 60
"""Characters of a value that a message shows."""
_LARGEST = 10**300
"""Largest finite number that is read."""
_MISSING = object()


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """A value of another kind."""

    place: str
    """Its place in the value that was checked: ``[1].loss``; empty for that itself."""
    value: Any
    wanted: str

    def __str__(self) -> str:
        """What is wrong, after the name of the value that was checked."""
        words = "is missing" if self.value is _MISSING else f"is {_shown(self.value)}"
        return f"{self.place} {words}, where {self.wanted} must be"


class Kind(Protocol):
    """What a value must be."""

    def __call__(self, value: Any, /) -> Misfit | None:
        """The first part of the value that is of another kind; None where there is none."""


def whole(least: float = 0, most: float = 1e18) -> Kind:
    """A whole number from ``least`` to ``most``; by default one that counts something."""
    wanted = f"a whole number of at least {least}"

    def misfit(value: Any) -> Misfit | None:
        if type(value) is int and least <= value <= most:
            return None
        return Misfit(place="", value=value, wanted=wanted)

    return misfit


def number(least: float = -inf, most: float = inf, *, is_finite: bool = False) -> Kind:
    """A number from ``least`` to ``most``; NaN, such as a loss that diverged, and infinity unless ``is_finite``."""
    has_bounds = least > -inf and most < inf
    bounds = f" from {least:g} to {most:g}" if has_bounds else f" of at least {least:g}" if least > -inf else ""
    wanted = ("a finite number" if is_finite else "a number") + bounds
    low, high = (max(least, -_LARGEST), min(most, _LARGEST)) if is_finite else (least, most)

    def misfit(value: Any) -> Misfit | None:
        if type(value) is float:
            if low <= value <= high or (isnan(value) and not is_finite):
                return None
        elif type(value) is int and low <= value <= high and -_LARGEST <= value <= _LARGEST:
            return None
        return Misfit(place="", value=value, wanted=wanted)

    return misfit


def text(fits: Callable[[str], object] = lambda _: True, wanted: str = "a text") -> Kind:
    """A text that ``fits``."""
    return _where(lambda value: isinstance(value, str) and fits(value), wanted)


def truth() -> Kind:
    """True or false."""
    return _where(lambda value: type(value) is bool, "true or false")


def optional(kind: Kind) -> Kind:
    """A value of that kind, or None."""
    return lambda value: None if value is None else kind(value)


def either(*kinds: Kind, wanted: str) -> Kind:
    """A value of any of the kinds."""
    return lambda value: (
        None if any(kind(value) is None for kind in kinds) else Misfit(place="", value=value, wanted=wanted)
    )


def items(kind: Kind, *, least: int = 0) -> Kind:
    """A list of at least ``least`` values of one kind."""

    def misfit(value: Any) -> Misfit | None:
        if not isinstance(value, list | tuple) or len(value) < least:
            return Misfit(place="", value=value, wanted=f"a list{f' of at least {least}' * bool(least)}")
        for i, one in enumerate(value):
            if found := kind(one):
                return _within(found, f"[{i}]")
        return None

    return misfit


def row(*kinds: Kind) -> Kind:
    """A list with one value of each kind."""

    def misfit(value: Any) -> Misfit | None:
        if not isinstance(value, list | tuple) or len(value) != len(kinds):
            return Misfit(place="", value=value, wanted=f"a list of {len(kinds)}")
        pairs = enumerate(zip(value, kinds, strict=True))
        return next((_within(found, f"[{i}]") for i, (one, kind) in pairs if (found := kind(one))), None)

    return misfit


def mapping(kind: Kind) -> Kind:
    """A table of any keys and values of one kind."""

    def misfit(value: Any) -> Misfit | None:
        if not isinstance(value, Mapping):
            return Misfit(place="", value=value, wanted="a table")
        return next((_within(found, f".{name}") for name, one in value.items() if (found := kind(one))), None)

    return misfit


def table(needed: Mapping[str, Kind], further: Mapping[str, Kind] | None = None) -> Kind:
    """A table with each ``needed`` key, perhaps ``further`` ones, and any others, which a later release may write."""
    kinds, every = {**needed, **(further or {})}, needed.keys()

    def misfit(value: Any) -> Misfit | None:
        if not isinstance(value, Mapping):
            return Misfit(place="", value=value, wanted="a table")
        for name, part in value.items():
            if (kind := kinds.get(name)) and (found := kind(part)):
                return _within(found, f".{name}")
        missing = next((name for name in every if name not in value), None) if not every <= value.keys() else None
        return None if missing is None else Misfit(place=f".{missing}", value=_MISSING, wanted="a value")

    return misfit


def _where(fits: Callable[[Any], object], wanted: str) -> Kind:
    return lambda value: None if fits(value) else Misfit(place="", value=value, wanted=wanted)


def _within(found: Misfit, place: str) -> Misfit:
    return Misfit(place=place + found.place, value=found.value, wanted=found.wanted)


def _shown(value: Any) -> str:
    """The value, as code has it, shortened."""
    try:
        words = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        words = f"a number of {value.bit_length():,} bits" if isinstance(value, int) else "a nested value"
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."
