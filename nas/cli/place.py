"""Where a command's study is: from the command line, or else from the project's settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import typer

from nas.project_settings import settings


@dataclass(frozen=True, kw_only=True)
class FoundSetting:
    """A value of the project's settings."""

    value: str
    source: str


def of_project(ctx: typer.Context, name: str) -> FoundSetting | None:
    """The project's ``storage`` or its ``study``; None where the command line gives it or a storage, or none is set.

    Raises UnusableInputError where the settings cannot be read.
    """
    if _is_given(ctx, name) or _is_given(ctx, "storage"):
        return None
    found = settings(Path())
    value = None if found is None else found.table.get(name)
    return FoundSetting(value=value, source=found.source) if found is not None and isinstance(value, str) else None


def expanded(storage: str) -> str:
    """A storage with ``~`` as the home folder, which not every shell replaces; a URL as it is."""
    return os.path.expanduser(storage)  # noqa: PTH111 (a URL stays as it is)


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)  # None of what is read later, or is no parameter
    return source is not None and source.name != "DEFAULT"
