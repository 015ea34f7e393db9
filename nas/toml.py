"""TOML files read into validated values, and values as TOML; errors name file, key, value and what to give."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from constraints.cli.toml_text import read_toml_text
from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.validation_words import first_of, what_to_do

Model = TypeVar("Model", bound=BaseModel)


class GivenText(str):
    """A text that remembers the flag or file it came from, for errors."""

    by: str

    def __new__(cls, text: str, by: str) -> GivenText:
        """``text``, given ``by`` a flag or a file."""
        given = super().__new__(cls, text)
        given.by = by
        return given


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; UnusableInputError where it is missing or malformed."""
    try:
        return read_toml_text(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableInputError(f"cannot read {path}: {error.strerror}: give the path of a TOML file") from None
    except UnicodeDecodeError:
        raise UnusableInputError(f"{path} is not TOML: it is not UTF-8 text: give the path of a TOML file") from None
    except ValueError as error:
        raise UnusableInputError(f"{path} is not TOML: {error}: correct the line") from None


def validated(model: type[Model], table: dict[str, Any], source: str, *, is_strict: bool = False) -> Model:
    """``table`` as a ``model``; UnusableInputError names the first invalid key.

    Where ``source`` is empty the values came from flags, and the error names the flag. If ``is_strict``, a text is not
    accepted as a number, nor a number as ``true``.
    """
    try:
        return model.model_validate(table, strict=is_strict)
    except ValidationError as error:
        first = first_of(error)
        message = what_to_do(error)
        if first["type"] == "extra_forbidden":
            message = f"unknown key: {_key_meant(model, first['loc'])}"
        value = f" {first['input']!r}:"
        if isinstance(first["input"], dict) or value in f" {message}":  # which may name it itself
            value = ""
        place = first["input"].by if isinstance(first["input"], GivenText) else _place(first["loc"], source)
        raise UnusableInputError(f"{place}:{value} {message}") from None


def _place(location: tuple[int | str, ...], source: str) -> str:
    if not source:
        return f"--{location[0]}".replace("_", "-")
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in location)
    return f"{source}: {key or 'the whole table'}"


def _key_meant(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Which key to write in place of an unknown one; a model may say it in ``OTHER_NAMES``."""
    key, known = str(location[-1]), _keys_beside(model, location)
    if meant := getattr(model, "OTHER_NAMES", {}).get(key):
        return f"write {meant}"
    return nearest(key, known, f"known are {', '.join(known)}")


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys that the table around ``location`` may hold."""
    here: Any = model
    for part in location[:-1]:
        if isinstance(part, str):
            annotation = here.model_fields[part].annotation
            candidates = [annotation, *getattr(annotation, "__args__", ())]
            here = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return sorted(here.model_fields)


def value_text(value: Any) -> str:
    """A TOML value on one line; a table is inline, without its None values."""
    if isinstance(value, dict):
        known = (f"{_key(key)} = {value_text(one)}" for key, one in value.items() if one is not None)
        return f"{{{', '.join(known)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
