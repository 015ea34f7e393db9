"""Read a table of constraints from TOML: expressions or a table, alone or in named profiles; no torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT

_LISTS = ("constraints", "require")


def read_constraints(path: Path, profile: str | None = None) -> tuple[str, ...]:
    """The expressions that the file holds, or those of one of its ``[profiles.NAME]`` tables.

    Raises UnusableInputError when the file is missing, is no TOML, or holds no constraints.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableInputError(f"cannot read constraints: {str(path)!r}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # digits by the thousand and deep nesting are no TOML errors
        raise UnusableInputError(f"not TOML: {str(path)!r}: {error}: correct the line") from error
    return expressions(document, str(path), profile)


def expressions(document: Mapping[str, Any], source: str, profile: str | None = None) -> tuple[str, ...]:
    """The expressions of a parsed document; ``source`` names it in errors.

    A document is ``require = ["params < 200k"]``, or a table ``[constraints]`` of ``params = "< 200k"`` (a
    plain number means equality, a list several rules for one metric), or either of them in
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


def chosen(require: list[str], file: Path | None, profile: str | None) -> tuple[str, ...]:
    """The constraint set of a command line: what was asked for, or the default set when nothing was."""
    if profile is not None and file is None:
        raise UnusableInputError(f"no file for profile {profile!r}: give --constraints FILE.toml too")
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
