"""Settings of a project from ``[tool.nas]`` in its ``pyproject.toml``, searched upward; loads no torch."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from constraints.cli.profiles import TABLES, expressions, project
from nas.toml import GivenText

_FILES = ("space", "data", "metrics", "recipe", "augmentation", "start", "teacher")
"""Fields of a configuration that may name a file."""
_LOGS = ("tensorboard", "mlflow")
"""Trackers that write to a folder or a database."""
_DATA = ("auto", "cifar10", "digits")
"""Names of data sets, each of which a folder may have too."""
_SQLITE = "sqlite:///"
PLACE = ("storage", "study")
"""Fields that every command about a study reads."""
TRAINING = (
    *PLACE, "data", "target", "epochs", "constraints", "metrics", "objective", "workers", "device", "recipe",
    "augmentation", "teacher", "tune", "seed", "log",
)  # fmt: skip
"""Fields that the training of a given network reads."""
CONFIRMING = (*PLACE, "workers", "device", "engine")
"""Fields that a confirmation reads; the study supplies everything else."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The fields of a configuration that a ``pyproject.toml`` holds."""

    path: Path
    table: dict[str, Any]

    @property
    def source(self) -> str:
        """Prefix of errors about it."""
        return f"[tool.nas] of {self.path}"

    @property
    def sentence(self) -> str:
        """Which fields are set, and in which file."""
        return f"settings: {', '.join(self.table)} from {self.source}"

    def only(self, fields: Collection[str]) -> Settings:
        """The settings restricted to these fields."""
        return replace(self, table={key: value for key, value in self.table.items() if key in fields})


def settings(folder: Path) -> Settings | None:
    """The settings of the nearest ``pyproject.toml``, in ``folder`` or above it, that has a table ``[tool.nas]``.

    ``require`` and ``constraints`` apply to launches as well as to checks, ``profiles`` to checks only. Paths are
    relative to the ``pyproject.toml``.

    Raises UnusableInputError where ``[tool.nas]`` is not a table, or its constraints are invalid.
    """
    nearest = project(folder)
    if nearest is None:
        return None
    path, table = nearest
    source = f"[tool.nas] of {path}"
    found = {key: _from(path.parent, key, value) for key, value in table.items() if key not in TABLES}
    if rules := {key: value for key, value in table.items() if key in TABLES and key != "profiles"}:
        found["constraints"] = [GivenText(text, source) for text in expressions(rules, source)]
    return Settings(path=path, table=found) if found else None


def _from(folder: Path, key: str, value: Any) -> Any:
    """A field's value, with paths of files in ``folder`` made relative to the working folder."""
    if folder == Path.cwd():
        return value
    if isinstance(value, list):
        return [_from(folder, key, one) for one in value]
    if not isinstance(value, str):
        return value
    if key == "storage":
        return _stored(folder, value)
    if key == "log":
        kind, colon, place = value.partition(":")
        return value if kind not in _LOGS else f"{kind}{colon}{_stored(folder, place)}"
    return _named(folder, key, value) if key in _FILES else value


def _stored(folder: Path, place: str) -> str:
    """A storage, which need not exist; among URLs only SQLite's name a file, absolute after a fourth slash."""
    if place.startswith(_SQLITE) and not place.startswith(f"{_SQLITE}/"):
        return f"{_SQLITE}{os.path.relpath(folder / place.removeprefix(_SQLITE))}"
    if not place.strip() or "://" in place or Path(place).is_absolute() or place.startswith("~"):
        return place
    return os.path.relpath(folder / place)


def _named(folder: Path, key: str, text: str) -> str:
    """A file that is there; a word such as ``tiny`` or ``digits`` is a name, whatever is there."""
    file = text.partition(":")[0]
    is_path = bool({".", "/", "\\"} & {*file}) or (key == "data" and file not in _DATA)
    is_there = is_path and bool(file) and not Path(file).is_absolute() and (folder / file).exists()
    return os.path.relpath(folder / file) + text[len(file) :] if is_there else text
