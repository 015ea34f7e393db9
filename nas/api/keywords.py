"""Errors and warnings of functions that are called from Python: they name keywords where a command's name flags."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from functools import wraps
from typing import ParamSpec, TypeVar

from constraints.errors import ConstraintError
from nas.arguments import checked

P = ParamSpec("P")
T = TypeVar("T")
_FLAG = re.compile(r"(?<![\w-])--(?P<name>[a-z][a-z_-]*)(?P<value> (?=[A-Z0-9]))?")
_OTHERWISE = {"require": "constraints", "arg": "arguments", "state": "states"}
"""Flag -> the keyword, where the two have different names."""


def public(function: Callable[P, T]) -> Callable[P, T]:
    """Check the types of a call's arguments, and name its keywords in errors (``from_study``, not ``--from-study``)."""
    check = checked(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return check(*args, **kwargs)
        except ConstraintError as error:
            from nas.config import LaunchFields  # loads pydantic, which most calls do without

            fields = LaunchFields.__annotations__.keys()
            known = fields | inspect.signature(function).parameters.keys() | kwargs.keys()
            error.args = (in_keywords(str(error), known),)
            raise

    return call


def in_keywords(text: str, known: Collection[str]) -> str:
    """A message whose flags are written as the keywords that they are; ``--data DIR`` becomes ``data=DIR``."""

    def keyword(flag: re.Match[str]) -> str:
        name = flag["name"].replace("-", "_")
        name = name if name in known else _OTHERWISE.get(name, name)
        return name + ("=" if flag["value"] else "") if name in known else flag[0]

    return _FLAG.sub(keyword, text)
