"""Tuned recipe options, which a search proposes for each trial: their names, ranges, and the recipe with values.

An option is called by its name, also an option of a phase where the recipe has only one phase; with several phases it
is ``phases.2.peak_lr``. ``lr`` is short for ``peak_lr``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.training.options.declaration import Option, declared
from nas.training.options.phase import Phase
from nas.training.recipe_table import as_table, from_table
from nas.training.recipes import Recipe
from nas.validation_words import what_to_do

PREFIX = "recipe."
"""Prefix of a trial's parameters that are recipe options."""
Value = bool | int | float | str
_SHORT = {"lr": "peak_lr"}
_PHASE = {name: one for name, one in declared(Phase).items() if one.is_tuned}
_RECIPE = {name: one for name, one in declared(Recipe).items() if one.is_tuned}
_OPTIONS: Mapping[str, Option] = {**_RECIPE, **_PHASE}


@dataclass(frozen=True, kw_only=True)
class Range:
    """Uniform from ``low`` to ``high``, or log-uniform with ``log``; or one of ``choices``."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        """Check that it is either an interval or choices, and not just a single value."""
        if self.choices:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("give choices, or low and high")
            if len({(type(choice), choice) for choice in self.choices}) < max(len(self.choices), 2):
                raise ValueError("give two or more different choices")
            return
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError("give [low, high] or choices, low below high")
        if self.log and self.low <= 0:
            raise ValueError("give a low above 0, or leave log out")

    def as_table(self) -> dict[str, Any]:
        """The fields that are set, as a study stores them."""
        table = {"low": self.low, "high": self.high} if not self.choices else {"choices": list(self.choices)}
        return {**table, "log": True} if self.log else table

    def to_toml(self) -> str:
        """As TOML."""
        parts = (f"{name} = {json.dumps(value)}" for name, value in self.as_table().items())
        return f"{{{', '.join(parts)}}}"

    def __str__(self) -> str:
        """In words."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"


_READER = TypeAdapter(with_config(ConfigDict(extra="forbid", allow_inf_nan=False, strict=False))(Range))


def ranges(asked: Sequence[str], table: Mapping[str, Any], recipe: Recipe, place: str) -> dict[str, Range]:
    """The options ``asked`` for with their ranges, from the ``table`` ``[tune]`` or else around the recipe's value.

    Raises UnusableInputError for an option that does not exist or cannot be tuned, and for an invalid range, also of a
    table's option that is not asked for.
    """
    read: dict[str, Range] = {}
    for name, value in _flat(table):
        option = _option(name, recipe, f"{place}: tune")
        if option in read:
            raise UnusableInputError(f"{place}: tune.{name}: {value!r}: {option} has a range already: give one")
        read[option] = _range(value, f"{place}: tune.{name}")
    found = {
        option: read.get(option) or _usual(option, recipe) for option in (_option(n, recipe, "--tune") for n in asked)
    }
    for option, one in {**read, **found}.items():
        _check(option, one, recipe, f"{place}: tune.{option}")
    for option in found:
        if (decisive := _idle_by(option, recipe)) and decisive not in found:
            raise UnusableInputError(
                f"--tune: {option!r}: has no effect under {decisive} {_value(recipe, decisive)!r}: leave it out"
            )
    return found


def written(table: Mapping[str, Any]) -> list[str]:
    """The options in a table ``[tune]``, as written there."""
    return [name for name, _ in _flat(table)]


def from_study(table: Mapping[str, Any]) -> dict[str, Range]:
    """The ranges that a study stores; ValueError or TypeError where they are invalid."""
    return {str(option): _READER.validate_python(value) for option, value in table.items()}


def tuned(recipe: Recipe, parameters: Mapping[str, Any]) -> Recipe:
    """The recipe with the values of a trial's ``parameters`` for its options; other parameters are ignored."""
    for option, value in values(parameters).items():
        recipe = _with(recipe, option, value)
    return recipe


def values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Option -> value, for a trial's parameters that are recipe options."""
    return {name.removeprefix(PREFIX): value for name, value in parameters.items() if name.startswith(PREFIX)}


def is_whole(option: str) -> bool:
    """Whether an option's values are whole numbers."""
    return _OPTIONS[option.rpartition(".")[2]].is_whole


def usual_ranges(recipe: Recipe) -> dict[str, Range]:
    """The default range of every option that has one."""
    names = [*_RECIPE, *(_of_phase(name, number, recipe) for number in range(len(recipe.phases)) for name in _PHASE)]
    usual = {name: _default(name.rpartition(".")[2], _value(recipe, name)) for name in names}
    return {name: found for name, found in usual.items() if found and not _idle_by(name, recipe)}


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name -> range, from a table in which ``phases.1.peak_lr`` may be nested tables."""
    for name, value in table.items():
        if isinstance(value, Mapping) and (before + name).split(".")[0] == "phases" and (before + name).count(".") < 2:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _option(name: str, recipe: Recipe, place: str) -> str:
    """The canonical name of an option."""
    phase, _, last = name.strip().rpartition(".")
    last, count = _SHORT.get(last, last), len(recipe.phases)
    known = _PHASE if phase else [*_RECIPE, *_PHASE]
    if last not in known:
        hint = nearest(last, [*known, *_SHORT], f"known are {', '.join(known)}")
        raise UnusableInputError(f"{place}: {name.strip()!r}: no option of a recipe that can be tuned: {hint}")
    if not phase and (last in _RECIPE or count == 1):
        return last
    numbers = [f"phases.{number + 1}" for number in range(count)]
    if phase not in numbers:
        every = ", ".join(f"{number}.{last}" for number in numbers)
        raise UnusableInputError(
            f"{place}: {name.strip()!r}: the recipe has {count} phase{'s' * (count > 1)}: say which one: {every}"
        )
    return _of_phase(last, int(phase.partition(".")[2]) - 1, recipe)


def _idle_by(option: str, recipe: Recipe) -> str:
    """The option whose value disables this one; empty where this one has an effect."""
    phase, dot, name = option.rpartition(".")
    decisive, values = _OPTIONS[name].used_under or ("", ())
    return f"{phase}{dot}{decisive}" if decisive and _value(recipe, f"{phase}{dot}{decisive}") not in values else ""


def _of_phase(name: str, number: int, recipe: Recipe) -> str:
    return name if len(recipe.phases) == 1 else f"phases.{number + 1}.{name}"


def _range(value: Any, place: str) -> Range:
    table = {"low": value[0], "high": value[1]} if isinstance(value, list) and len(value) == 2 else value
    if isinstance(table, Mapping) and not any(isinstance(table.get(end), bool | str) for end in ("low", "high")):
        try:
            return _READER.validate_python({**table, "choices": tuple(table.get("choices", ()))})
        except (ValidationError, TypeError) as error:
            message = what_to_do(error) if isinstance(error, ValidationError) else str(error)
            raise UnusableInputError(f"{place}: {value!r}: {message}") from None
    raise UnusableInputError(
        f"{place}: {value!r}: write [0.01, 0.1], {{low = 0.01, high = 0.1, log = true}} or {{choices = [64, 128]}}"
    )


def _usual(option: str, recipe: Recipe) -> Range:
    found = _default(option.rpartition(".")[2], _value(recipe, option))
    if found is None:
        raise UnusableInputError(
            f"--tune: {option!r}: has no range of its own: give its choices in [tune] of a recipe file"
        )
    return found


def _default(name: str, value: Any) -> Range | None:
    """The range that an option declares around a recipe's ``value``; None where it declares none."""
    if isinstance(value, bool):
        return Range(choices=(False, True))
    if isinstance(value, str):
        return None
    one = _OPTIONS[name]
    if one.factor is not None and one.is_whole:
        choices = sorted({max(int(value // one.factor), 1), value, int(value * one.factor)})
        return Range(choices=tuple(choices))
    if one.factor is not None:
        middle = value or one.middle
        return Range(low=middle / one.factor, high=middle * one.factor, log=True)
    return Range(low=one.tune[0], high=one.tune[1]) if one.tune else None


def _check(option: str, one: Range, recipe: Recipe, place: str) -> None:
    """Raise UnusableInputError where an end of a range, or a choice, is not a valid value of the option."""
    ends = one.choices or (one.low, one.high)
    for end in ends:
        assert end is not None
        if is_whole(option) and not isinstance(end, int):
            raise UnusableInputError(f"{place}: {end!r}: give whole numbers")
        changed = _with(recipe, option, end, place)
        from_table(as_table(changed), place)


def _value(recipe: Recipe, option: str) -> Any:
    number, name = _split(option)
    return getattr(recipe if name in _RECIPE else recipe.phases[number], name)


def _split(option: str) -> tuple[int, str]:
    phase, _, name = option.rpartition(".")
    return int(phase.rpartition(".")[2] or 1) - 1, name


def _with(recipe: Recipe, option: str, value: Any, place: str = "") -> Recipe:
    name = option.rpartition(".")[2]
    try:
        if name in _RECIPE:
            return replace(recipe, **{name: value})
        phases = list(recipe.phases)
        number, _ = _split(option)
        phases[number] = replace(phases[number], **{name: value})
        return replace(recipe, phases=tuple(phases))
    except (TypeError, ValueError, LookupError):
        raise UnusableInputError(f"{place or option}: {value!r}: no value of {name}: give one of its kind") from None
    except UnusableInputError as error:
        raise UnusableInputError(f"{place}: {error}" if place else str(error)) from None
