"""Errors and warnings of functions that are called from Python: they name keywords where a command's name flags."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar, get_args, get_type_hints

from constraints.cli.toml_text import read_toml_text
from constraints.errors import ConstraintError
from nas.arguments import checked

P = ParamSpec("P")
T = TypeVar("T")
_FLAG = re.compile(
    r"(?<![\w-])--(?P<name>[a-z][a-z_-]*)"
    r"(?: (?P<value>'[^'\n]*'|\"[^\"\n]*\"|[^\s();]*(?:\.\.\.|[^\s();,.:])))?"
)
"""A flag in a message, with the word after it: colons and commas inside it belong to it, those at its end do not."""
_CERTAIN = re.compile(r"['\"\d]|-\d|[A-Z]+(\.[a-z]+)?$|.*[\w.][=/.:,_#@\d]|\.|/")
"""How words begin that are values and no words of the sentence."""
_BEGINS = re.compile(r"(^|: )$")
"""What is before a flag that a part of a message begins with; a word and a colon after it are its value."""
_OTHERWISE = {"require": "constraints", "arg": "arguments", "state": "states"}
"""Flag -> the keyword, where the two have different names."""
_OF_PAIRS = frozenset({"arguments"})
"""Keywords of dictionaries, whose flags have values such as ``width=3``, each read as TOML."""
_SIGNS = {**dict.fromkeys(("anew", "force", "guess", "stop_at_target", "untrained"), "=True"), "to": "="}
"""What follows a keyword without a value: of a switch, and of one that is also a word of sentences."""
_OF_LISTS = frozenset({"constraints", "log", "start", "states", "teacher"})
"""Keywords of lists, whose flags have one item each."""
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

    ``--data DIR`` becomes ``data=DIR``, ``--device cpu`` ``device='cpu'`` and ``--arg w=3`` ``arguments={'w': 3}``. A
    word after a flag that may belong to the sentence stays in it.
    """

    def keyword(flag: re.Match[str]) -> str:
        name = flag["name"].replace("-", "_")
        name = name if name in known else _OTHERWISE.get(name, name)
        if name not in known:
            return flag[0]
        if flag["value"] is None or not _is_value(name, flag):
            return f"{name}{_SIGNS.get(name, '')}{flag[0].removeprefix('--' + flag['name'])}"
        return f"{name}={_of(name, flag['value'])}"

    return _REPEATED.sub(", ", _FLAG.sub(keyword, text))


def _is_value(name: str, flag: re.Match[str]) -> bool:
    """Whether the word after a flag is certainly its value."""
    value, text = flag["value"], flag.string
    if name in _OF_PAIRS and "=" in value:
        return True
    is_alone = _BEGINS.search(text, 0, flag.start()) and text.startswith(": ", flag.end())
    return bool(_CERTAIN.match(value) or is_alone) or value in _words(name)


def _words(name: str) -> Collection[str]:
    """The plain words that a keyword takes."""
    from nas.config import LaunchFields
    from nas.loggers import choice
    from nas.search import engine_choice
    from nas.space.space import PRESETS
    from nas.training import datasets
    from nas.training.named_recipes import RECIPES

    return {
        "data": datasets.NAMES,
        "device": get_args(get_type_hints(LaunchFields)["device"]),
        "engine": engine_choice.KINDS,
        "log": choice.KINDS,
        "recipe": RECIPES,
        "space": PRESETS,
    }.get(name, ())


def _of(name: str, value: str) -> str:
    """The value of a keyword as Python has it."""
    if name in _OF_LISTS:
        return f"[{_written(value)}]"
    if name not in _OF_PAIRS:
        return _written(value)
    key, _, of_key = value.partition("=")
    return f"{{{key!r}: {_read(of_key) if of_key else '...'}}}"


def _read(value: str) -> str:
    """A value written as TOML, such as ``true``; any other as it is."""
    try:
        return repr(read_toml_text(f"value = {value}")["value"])
    except ValueError:
        return _written(value)


def _written(value: str) -> str:
    """A value as Python has it."""
    is_plain = _UNQUOTED.fullmatch(value) or value.startswith(("'", '"', "...", "[", "{"))
    return value if is_plain else repr(value)
