"""Errors and warnings of functions that are called from Python: they name keywords where a command's name flags."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from constraints.errors import ConstraintError
from nas.arguments import checked

P = ParamSpec("P")
T = TypeVar("T")
_FLAG = re.compile(
    r"(?<![\w-])--(?P<name>[a-z][a-z_-]*)"
    r"(?: (?!(?:an?|and|another|asks|chooses|for|in|is|it|needs|of|or|perhaps|that|the|to|too|with|which)(?=[\s.:;]|$))"
    r"(?P<value>[^\s:;()]*[^\s:;(),]))?"
)
"""A flag in a message, with the value after it, if that is no word of the sentence."""
_OTHERWISE = {"require": "constraints", "arg": "arguments", "state": "states"}
"""Flag -> the keyword, where the two have different names."""
_REPEATED = re.compile(r"\} arguments=\{")
"""Between two items of one dictionary."""
_UNQUOTED = re.compile(r"-?\d+(\.\d+)?|[A-Z]+|True|False|None")
"""Values that are written without quotes: numbers, and words in place of a value."""


def public(function: Callable[P, T]) -> Callable[P, T]:
    """Check the types of a call's arguments, and name its keywords in errors (``from_study``, not ``--from-study``)."""
    check = checked(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with worded(function, kwargs):
            return check(*args, **kwargs)

    return call


@contextmanager
def worded(function: Callable[..., object], given: Collection[str] = ()) -> Iterator[None]:
    """Name the keywords of a function, and those ``given``, in errors of the block."""
    try:
        yield
    except ConstraintError as error:
        from nas.config import LaunchFields  # loads pydantic, which most calls do without

        known = LaunchFields.__annotations__.keys() | inspect.signature(function).parameters.keys() | set(given)
        error.args = (in_keywords(str(error), known),)
        raise


def in_keywords(text: str, known: Collection[str]) -> str:
    """A message whose flags are written as the keywords that they are.

    ``--data DIR`` becomes ``data=DIR``, ``--device cpu`` ``device='cpu'`` and ``--arg w=3`` ``arguments={'w': 3}``.
    """

    def keyword(flag: re.Match[str]) -> str:
        name, value = flag["name"].replace("-", "_"), flag["value"]
        name = name if name in known else _OTHERWISE.get(name, name)
        if name not in known or value is None:
            return name if name in known else flag[0]
        key, is_pair, of_key = value.partition("=")
        return f"{name}={{{key!r}: {_written(of_key)}}}" if is_pair else f"{name}={_written(value)}"

    return _REPEATED.sub(", ", _FLAG.sub(keyword, text))


def _written(value: str) -> str:
    """A value as Python has it."""
    is_plain = _UNQUOTED.fullmatch(value) or value.startswith(("'", '"', "...", "[", "{"))
    return value if is_plain else repr(value)
