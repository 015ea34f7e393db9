"""What a project's ``pyproject.toml`` says of its launches: ``[tool.nas]``, found upward; no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constraints.cli.profiles import TABLES, expressions, projects
from nas.toml import Given

_FILES = ("space", "data", "metrics", "recipe", "augmentation", "start", "teacher")
"""Fields of a configuration that may name a file."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The fields of a configuration that a ``pyproject.toml`` holds."""

    path: Path
    table: dict[str, Any]

    @property
    def source(self) -> str:
        """What errors about it begin with."""
        return f"[tool.nas] of {self.path}"

    @property
    def sentence(self) -> str:
        """Which fields come from where."""
        return f"settings: {', '.join(self.table)} from {self.source}"


def settings(folder: Path) -> Settings | None:
    """Those of the nearest ``pyproject.toml``, in ``folder`` or above it, that has a table ``[tool.nas]``.

    ``require`` and ``constraints`` are the constraints of its launches as they are those of its checks; ``profiles``
    belong to checks alone. Files beside the ``pyproject.toml`` or below it are named from there.

    Raises UnusableInputError where the table is none, or holds no constraints where it should.
    """
    for path, table in projects(folder):
        source = f"[tool.nas] of {path}"
        found = {key: _from(path.parent, key, value) for key, value in table.items() if key not in TABLES}
        if rules := {key: value for key, value in table.items() if key in TABLES and key != "profiles"}:
            found["constraints"] = [Given(text, source) for text in expressions(rules, source)]
        return Settings(path=path, table=found) if found else None
    return None


def _from(folder: Path, key: str, value: Any) -> Any:
    """A field's value with files of ``folder`` by their paths from the working folder."""
    if key not in _FILES or folder == Path.cwd():
        return value
    if isinstance(value, list):
        return [_from(folder, key, one) for one in value]
    return _named(folder, value) if isinstance(value, str) else value


def _named(folder: Path, text: str) -> str:
    file = text.partition(":")[0]
    is_there = bool(file) and not Path(file).is_absolute() and (folder / file).exists()
    return os.path.relpath(folder / file) + text[len(file) :] if is_there else text
