"""Read a table of constraints from TOML: expressions or a table, alone or in named profiles; no torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from constraints.cli.toml_text import read_toml_text
from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, Constraint, parse_all
from constraints.suggestions import nearest

_LISTS = ("constraints", "require")
TABLES = (*_LISTS, "profiles")
"""The keys of ``[tool.nas]`` that hold constraints."""
_CUTOFF = 0.72
"""Similarity from which another key is one of these, misspelt; no field of a launch reaches it."""
_TABLE = re.compile(rb"\btool\s*\.\s*[\"']?nas\b|\bnas[\"']?\s*=")
"""A line that begins the table, or gives it as a value."""


def read_constraints(path: Path, profile: str | None = None) -> tuple[str, ...]:
    """The expressions in the file, or those of one of its ``[profiles.NAME]`` tables.

    Raises UnusableInputError if the file is missing, is not TOML, or contains no constraints.
    """
    return expressions(_document(path), str(path), profile)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        return read_toml_text(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableInputError(
            f"cannot read constraints: {str(path)!r}: {error.strerror}: give a TOML file"
        ) from error
    except UnicodeDecodeError as error:
        raise UnusableInputError(f"not TOML: {str(path)!r}: it is not text in UTF-8: give a TOML file") from error
    except ValueError as error:
        raise UnusableInputError(f"not TOML: {str(path)!r}: {error}: correct the line") from error


def projects(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Each ``pyproject.toml`` in a folder or above it with a table ``[tool.nas]``, and that table; the nearest first.

    A file that cannot be read and does not mention that table is passed over.
    """
    for place in (folder.resolve(), *folder.resolve().parents):
        path = place / "pyproject.toml"
        try:
            mentions = bool(_TABLE.search(path.read_bytes()))
        except OSError:
            continue
        if mentions and (found := _document(path).get("tool", {}).get("nas")) is not None:
            yield path, _table(found, "tool.nas", str(path))


def project(folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The nearest of ``projects`` with constraints, and these; files without them are passed over, as ruff does."""
    for path, table in projects(folder):
        for key in table.keys() - {*TABLES}:
            if meant := nearest(key, TABLES, otherwise=" ", cutoff=_CUTOFF).strip():
                raise UnusableInputError(f"unknown key in [tool.nas] of {path}: {key!r}: {meant}")
        if found := {key: table[key] for key in TABLES if key in table}:
            return path, found
    return None


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
    found = project(folder) if folder and not file and (profile is not None or not require) else None
    if found and profile is None and not set(_LISTS) & set(found[1]):
        found = None  # it has only profiles, and no --profile was given
    if profile is not None and file is None and found is None:
        raise UnusableInputError(f"no file for profile {profile!r}: give --constraints FILE.toml too")
    if found:
        return (*expressions(found[1], f"[tool.nas] of {found[0]}", profile), *require)
    asked = (*(read_constraints(file, profile) if file else ()), *require)
    return asked or ASSIGNMENT


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
