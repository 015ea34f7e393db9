"""Read a table of constraints from TOML: expressions or a table, alone or in named profiles; no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from constraints.cli.toml_text import read_toml_text
from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.rules import ASSIGNMENT, Constraint, parse_all
from constraints.suggestions import nearest

_LISTS = ("constraints", "require")
TABLES = (*_LISTS, "profiles")
"""The keys of ``[tool.nas]`` that hold constraints."""
_CUTOFF = 0.72
"""Similarity from which another key is one of these, misspelt; no field of a launch reaches it."""
_TABLE = re.compile(rb"\btool[\"']?\s*\.\s*[\"']?nas\b|\bnas[\"']?\s*[.=]")
"""What begins the table, or gives it as a value, in a file that cannot be parsed."""
_BEGINS = re.compile(r"\s*[<>=!]")
"""Beginning of a comparison without its metric."""


def read_constraints(path: Path, profile: str | None = None) -> tuple[str, ...]:
    """The expressions in the file, or those of one of its ``[profiles.NAME]`` tables.

    Raises UnusableInputError if the file is missing, is not TOML, or contains no constraints.
    """
    return expressions(_document(path), str(path), profile)


def _document(path: Path) -> Mapping[str, Any]:
    return _parsed(_content(path), path)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableInputError(
            f"cannot read constraints: {str(path)!r}: {error.strerror}: give a TOML file that can be read"
        ) from error


def _parsed(data: bytes, path: Path) -> Mapping[str, Any]:
    try:
        return read_toml_text(data.decode())
    except UnicodeDecodeError as error:
        raise UnusableInputError(f"not TOML: {str(path)!r}: it is not text in UTF-8: save it as UTF-8") from error
    except ValueError as error:
        raise UnusableInputError(f"not TOML: {str(path)!r}: {error}: correct the line") from error


def project(folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The nearest ``pyproject.toml`` in a folder or above it with a table ``[tool.nas]``, and that table.

    As with ruff, an empty table ends the search, and symbolic links are not followed upward. A file that is no TOML
    and does not mention the table is passed over. Raises UnusableInputError for one that cannot be read, since it may
    have the table.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (Path.resolve would follow links)
    for path in (place / "pyproject.toml" for place in (folder, *folder.parents)):
        if os.path.isfile(path) and (table := _table_of(path)) is not None:  # noqa: PTH113 (False where it may not look)
            return path, table
    return None


def _table_of(path: Path) -> Mapping[str, Any] | None:
    data = _content(path)
    try:
        tool = _table(_parsed(data, path).get("tool", {}), "tool", str(path))
    except UnusableInputError:
        if _TABLE.search(data.replace(b"\0", b"")):  # a text in UTF-16 has them
            raise
        return None
    return _table(tool["nas"], "tool.nas", str(path)) if "nas" in tool else None


def expressions(document: Mapping[str, Any], source: str, profile: str | None = None) -> tuple[str, ...]:
    """The expressions of a parsed document; ``source`` names it in errors.

    A document has ``require = ["params < 200k"]``, or a table ``[constraints]`` with ``params = "< 200k"`` (a
    plain number means equality, a list means several rules for one metric), or one of these in
    ``[profiles.NAME]``.
    """
    profiles = _table(document.get("profiles", {}), "profiles", source)
    if profile is not None:
        if profile not in profiles:
            known = ", ".join(profiles) or "none"
            raise UnusableInputError(f"no such profile in {source}: {profile!r}: it has {known}")
        document = _table(profiles[profile], f"profiles.{profile}", source)
    found = _read({k: v for k, v in document.items() if k != "profiles"}, source)
    if not found:
        hint = f"choose one with --profile: {', '.join(profiles)}" if profiles else 'write require = ["params < 200k"]'
        raise UnusableInputError(f"no constraints in {source}: {profile or 'its top level'} is empty: {hint}")
    return found


def rules(
    require: Sequence[str],
    file: Path | None,
    profile: str | None,
    folder: Path | None = None,
    *,
    known: Collection[str] | None = (),
) -> tuple[Constraint, ...]:
    """The constraints that ``chosen`` gives; errors name the file; ``known`` are metrics as in ``parse_all``."""
    texts = chosen(require, file, profile, folder)
    own = len(texts) - len(require)
    try:
        found = parse_all(texts[:own], known)
    except UnusableInputError as error:
        place = project(folder) if folder and not file else None
        raise UnusableInputError(f"{f'[tool.nas] of {place[0]}' if place else file}: {error}") from error
    return (*found, *parse_all(texts[own:], known))


def chosen(
    require: Sequence[str], file: Path | None, profile: str | None, folder: Path | None = None
) -> tuple[str, ...]:
    """The constraint set of a command line: that of the options, else that of the project, else the default set.

    The search for the project's ``pyproject.toml`` begins in ``folder``; with None there is no search.
    """
    found = _of_project(folder) if folder and not file and (profile is not None or not require) else None
    if found and profile is None and not set(_LISTS) & set(found[1]):
        found = None  # it has only profiles, and no --profile was given
    if profile is not None and file is None and found is None:
        raise UnusableInputError(f"no file for profile {profile!r}: give --constraints FILE.toml too")
    if found:
        return (*expressions(found[1], f"[tool.nas] of {found[0]}", profile), *require)
    asked = (*(read_constraints(file, profile) if file else ()), *require)
    return asked or ASSIGNMENT


def _of_project(folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The project's file, and the part of its table with constraints; None where it has none."""
    found = project(folder)
    if found is None:
        return None
    path, table = found
    for key in table.keys() - {*TABLES}:
        if meant := nearest(key, TABLES, otherwise=" ", cutoff=_CUTOFF).strip():
            raise UnusableInputError(f"unknown key in [tool.nas] of {path}: {key!r}: {meant}")
        if _is_rule(key, table[key]):
            raise UnusableInputError(
                f"unknown key in [tool.nas] of {path}: {key!r}: write it below [tool.nas.constraints]"
            )
    own = {key: table[key] for key in TABLES if key in table}
    return (path, own) if own else None


def _is_rule(key: str, value: Any) -> bool:
    """Whether an entry is meant as a constraint, as a file of constraints has it at its top level."""
    if isinstance(value, list):
        return any(_is_rule(key, rule) for rule in value)
    return key in Metrics.definitions() or (isinstance(value, str) and bool(_BEGINS.match(value)))


def _table(value: Any, key: str, source: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnusableInputError(f"not a table in {source}: {key} = {value!r}: write [{key}]")
    return value


def _read(table: Any, source: str) -> tuple[str, ...]:
    if isinstance(table, str):
        return (table,)
    if isinstance(table, list):
        return tuple(e for entry in table for e in _read(entry, source))
    if not isinstance(table, Mapping):
        raise UnusableInputError(f"not a constraint in {source}: {table!r}: write 'METRIC OP VALUE'")
    if "expr" in table:
        return _read(table["expr"], source)
    return tuple(e for key, value in table.items() for e in _entry(key, value, source))


def _entry(key: str, value: Any, source: str) -> tuple[str, ...]:
    if key in _LISTS:
        return _read(value, source)
    rules = value if isinstance(value, list) else [value]
    return tuple(_rule(key, rule, source) for rule in rules)


def _rule(metric: str, rule: Any, source: str) -> str:
    if isinstance(rule, (bool, int, float)):
        return f"{metric} == {str(rule).lower()}"
    if not isinstance(rule, str):
        raise UnusableInputError(f"not a constraint in {source}: {metric} = {rule!r}: write {metric} = '> 44'")
    return f"{metric} {rule}" if rule.lstrip()[:1] in "<>=!" else rule
