"""Checks the arguments of public functions against their annotations before anything runs; loads nothing heavy.

Pydantic's ``validate_call`` does this and more, but reading a leaderboard must not wait for pydantic to load.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable
from functools import cache, wraps
from numbers import Integral, Real
from types import SimpleNamespace, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from constraints.errors import UnusableInputError

P = ParamSpec("P")
T = TypeVar("T")


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Wrap ``function`` to raise UnusableInputError for an argument whose type differs from its parameter's.

    Containers are checked, but not their items; numpy integers count as integers.
    """
    signature = inspect.signature(function)
    written = {
        p.name: p.annotation
        for p in signature.parameters.values()
        if p.kind is not p.VAR_KEYWORD and p.annotation is not p.empty
    }

    @cache
    def wanted() -> dict[str, Any]:
        return get_type_hints(SimpleNamespace(__annotations__=written), vars(inspect.getmodule(function)))

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name in written and not fits(value, wanted()[name]):
                raise UnusableInputError(f"{name} is of another type: {reprlib.repr(value)}: give {written[name]}")
        return function(*args, **kwargs)

    return call


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the type of an annotation."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is not None:
        return isinstance(value, origin) and not isinstance(value, bytes)
    number = {int: Integral, float: Real}.get(kind)
    if number is not None:
        return isinstance(value, number) and not isinstance(value, bool)
    return kind is Any or isinstance(value, kind)
