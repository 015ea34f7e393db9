"""This project's messages for values that pydantic rejects."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from constraints.suggestions import nearest

_WORDS = {
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give {ge} or more",
    "less_than": "give less than {lt}",
    "less_than_equal": "give {le} or less",
    "multiple_of": "give a multiple of {multiple_of}",
    "too_short": "give {min_length} or more",
    "too_long": "give {max_length} or fewer",
    "string_too_short": "write {min_length} characters or more",
    "string_too_long": "write {max_length} characters or fewer",
}
"""Kind of error -> what to do, with the values of its context."""
_TYPES = {
    "int": "write a whole number",
    "float": "write a number",
    "finite": "write a number",
    "decimal": "write a number",
    "bool": "write true or false",
    "string": "write text",
    "list": "write a list",
    "tuple": "write a list",
    "set": "write a list",
    "dict": "write a table",
    "model": "write a table",
    "dataclass": "write a table",
    "missing": "it is missing: write it",
    "extra": "there is no such key: leave it out",
    "unexpected": "there is no such key: leave it out",
    "path": "write a path",
}
"""Beginning of the kind of an error -> what to do."""
UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""Kinds of errors at a name that is not known."""
_FEW = 4
"""Most choices that are all listed."""


def first_of(error: ValidationError) -> ErrorDetails:
    """The first thing that is wrong; an unknown name comes before one that is missing, which it may stand for."""
    every = error.errors(include_url=False)
    return next((one for one in every if one["type"] in UNKNOWN), every[0])


def what_to_do(error: ValidationError) -> str:
    """What the first invalid value must be; the message of our own validator where one raised."""
    first = first_of(error)
    kind, context = first["type"], first.get("ctx", {})
    if kind in {"value_error", "assertion_error"}:
        return str(context["error"])
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    if kind in {"literal_error", "enum"}:
        return _one_of(str(context["expected"]), first["input"])
    return _TYPES.get(kind.split("_")[0], "write a value of another kind")


def _one_of(expected: str, given: Any) -> str:
    """What to write in place of a value that is not one of ``'auto', 'cpu' or 'cuda'``."""
    words = re.sub(r"'([^']*)'", r"\1", expected)
    known = re.findall(r"'([^']*)'", expected)
    return nearest(str(given), known, f"give {words}") if len(known) > _FEW else f"give {words}"
