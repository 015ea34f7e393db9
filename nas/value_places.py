"""Finds which flag or key of a file has the value that a message is about, and names the file's key in the message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

FLAG = re.compile(r"(?<![\w-])--[a-z]")
_FIRST_FLAG = re.compile(r"--([a-z][a-z-]*)(?=:? )")
_QUOTED = re.compile(r"(?:^|: |no such \w+ |\b(?:not|no) [\w ]+: )(['\"])(.*?)\1")


def in_file(message: str, given: Mapping[str, str], read: Iterable[tuple[str, str]]) -> str:
    """A message about a value ``read`` from a file and not ``given`` by its flag, with the file and the key."""
    known = list(read)
    if message.startswith("--"):
        return where_it_is(message, given.items(), known)
    if FLAG.search(message) or ": pip install " in message or any(named_by(message, given.items())):
        return message
    places = set(named_by(message, known))
    return f"{places.pop()}: {message}" if len(places) == 1 and not message.startswith(tuple(places)) else message


def where_it_is(message: str, given: Iterable[tuple[str, str]], read: Iterable[tuple[str, str]]) -> str:
    """A message that begins with a flag, or with its file and key where the value is from a file."""
    flag = _FIRST_FLAG.match(message)
    if flag is None or any(name == flag[0] for name, _ in given):
        return message
    key = f": {flag[1].replace('-', '_')}"
    place = next((place for place, _ in read if place.endswith(key)), flag[0])
    return place + message[flag.end() :]


def named_by(message: str, given: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The flags, by their values, that a message names; an empty one for an argument."""
    quoted = [text for _, text in _QUOTED.findall(message)]
    parts = message.split(": ")
    for flag, value in given:
        last = value.rstrip("/").rpartition("/")[2]  # a folder's data has its last name
        is_part = any(
            part in {value, last}
            or (part.endswith(f" {value}") and not value.isdecimal())
            or part.startswith(f"{value} is ")
            or _at_line(part, value)
            for part in parts[:2]
        )
        if value in quoted or (value and (is_part or any(_holds(value, text) for text in quoted))):
            yield flag


def texts(place: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Place and key of each text in a table, with that; of an inner table, its heading."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield place, f"[{key}]"
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield f"{place}: {key}", text


def _at_line(part: str, value: str) -> bool:
    """Whether a part of a message is a file, or a line of it."""
    return re.fullmatch(rf"{re.escape(value)}:\d+", part) is not None


def _holds(value: str, text: str) -> bool:
    """Whether a text is one of the words of a value, such as ``flip=2`` of ``assignment,flip=2``."""
    if text == "":
        return "," in value and "" in value.split(",")
    return re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", value) is not None
