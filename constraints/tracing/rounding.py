"""Whether a model's code can turn numbers into round ones."""

from __future__ import annotations

import dis
import re
import types
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from constraints.tracing.unseen import has_ways, is_known, walked

_BUILTINS = "int round len hash id ord sum divmod"
_OF_MATH = """
    floor ceil trunc rint fix around floor_divide isqrt frexp modf fmod remainder as_integer_ratio numerator denominator
    Fraction Decimal sign copysign heaviside
"""
_OF_SEQUENCES = "index count find bisect bisect_left bisect_right searchsorted digitize argmax argmin Counter"
_OF_TYPES = """
    astype unpack from_bytes loads literal_eval randint randrange choice getrandbits format_float_positional
    format_float_scientific array2string array_repr array_str
"""
_HIDDEN = "__int__ __round__ __floor__ __ceil__ __trunc__ __index__ __len__ __floordiv__"
_NAMES = frozenset(f"{_BUILTINS} {_OF_MATH} {_OF_SEQUENCES} {_OF_TYPES} {_HIDDEN}".split())
"""Names of functions that return numbers of few digits, whatever their arguments."""
_ADDING = ("sum", "map", "reduce", "fsum", "Counter")
_COUNTING = ("count", "index", "array", "asarray", "reduce", "fsum", "Counter")
"""Names of functions that make a number of the elements of a list."""
_WITHOUT_PLACES = ("//", "//=", "%", "%=")
_PERCENT = re.compile(r"%[-+ #0-9*]*(?:\.[\d*]|[eEfFgG])")
"""A string format (for ``%``) that prints few digits."""
_TEXTS = frozenset(["str", "repr"])
_CUTS = frozenset(["BINARY_SUBSCR", "BINARY_SLICE"])
"""Operations that take a part of a string."""
_OF_TEXT = frozenset(["__repr__", "__hash__", "extra_repr"])


def rounds(modules: Iterable[nn.Module]) -> bool:
    """Whether the code of modules, or code that it refers to, rounds, counts or searches for positions.

    Other code turns a number that it read into one of many digits, or only makes decisions by it. A module's
    ``__init__`` does not run in a forward pass and is left out.
    """
    kept = list(modules)
    kinds = {type(module) for module in kept}
    if any(issubclass(kind, torch.jit.ScriptModule) for kind in kinds) or has_ways(kept):
        return True
    things = held(kept)
    program = list(walked([*kinds, *things], runs))
    return (
        any(map(_is_named, things))
        or any(_is_text_of_names(code) or any(map(_is_named, named)) for code, named in program)
        or (any(_formats(code) for code, _ in program) and any(_parses(code) for code, _ in program))
    )


def adds_up(modules: Iterable[nn.Module]) -> bool:
    """Whether the same code may add up or count the elements of a list."""
    return any(map(_adds_up, _instructions(modules)))


def _adds_up(step: dis.Instruction) -> bool:
    is_global = step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}  # ``x.sum()`` is torch's
    return step.opname.startswith("LOAD_") and step.argval in (_ADDING if is_global else _COUNTING)


def floor_divides(modules: Iterable[nn.Module]) -> bool:
    """Whether the same code uses ``//`` or ``%``, which can turn a number of many digits into a whole one."""
    return any(map(_leaves_no_places, _instructions(modules)))


def _instructions(modules: Iterable[nn.Module]) -> Iterator[dis.Instruction]:
    kept = list(modules)
    for code, _ in walked([*{type(module) for module in kept}, *held(kept)], runs):
        yield from dis.get_instructions(code)


def _leaves_no_places(step: dis.Instruction) -> bool:
    return step.argrepr in _WITHOUT_PLACES or step.opname.endswith(("FLOOR_DIVIDE", "BINARY_MODULO"))


def held(modules: Iterable[nn.Module]) -> list[Any]:
    """The functions in the attributes of modules, and the classes of what else is there."""
    return [thing for module in modules for value in vars(module).values() for thing in _things(value, 2)]


def _is_text(constant: object) -> bool:
    return isinstance(constant, str)


def _is_text_of_names(code: types.CodeType) -> bool:
    return not _NAMES.isdisjoint([*code.co_names, *filter(_is_text, code.co_consts)])


def _formats(code: types.CodeType) -> bool:
    """Whether code may write a number with few digits: by a format, or by taking a part of a string."""
    if "format" in code.co_names or any(_is_text(c) and _PERCENT.search(c) for c in code.co_consts):
        return True
    steps = list(dis.get_instructions(code))
    if not _TEXTS.isdisjoint(code.co_names) and any(s.opname in _CUTS or s.argrepr == "[]" for s in steps):
        return True
    return any(s.opname == "FORMAT_WITH_SPEC" or (s.opname == "FORMAT_VALUE" and (s.arg or 0) & 4) for s in steps)


def _parses(code: types.CodeType) -> bool:
    """Whether code may parse a number from a string; parsing whole numbers counts as rounding already."""
    steps = dis.get_instructions(code)
    return any(s.opname in {"LOAD_GLOBAL", "LOAD_NAME"} and s.argval in {"float", "complex"} for s in steps)


def _is_named(thing: Any) -> bool:
    """Whether an object is, under any name, a function that rounds."""
    return callable(thing) and getattr(thing, "__name__", None) in _NAMES


def runs(thing: Any, function: types.FunctionType) -> bool:
    """Whether a function may run in a forward pass, and is not ``__repr__`` or ``__hash__`` of an object."""
    is_module = isinstance(thing, type) and issubclass(thing, nn.Module)
    return function.__name__ not in _OF_TEXT and not (is_module and function.__name__ == "__init__")


def _things(value: Any, depth: int) -> Iterator[Any]:
    """The functions and classes that an attribute contains, or the class of its value."""
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        yield value
    elif depth and isinstance(value, (dict, list, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _things(inner, depth - 1)
    elif depth and isinstance(value, (partial, types.MethodType)):
        yield from _things(value.func if isinstance(value, partial) else value.__func__, depth - 1)
    elif not is_known(type(value).__module__):
        yield type(value)
