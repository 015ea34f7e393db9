"""The file of a module that a target names, found without importing anything."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from constraints.errors import UnusableInputError


def files_of(module: str) -> list[Path] | None:
    """The Python files of the packages around a module, from the outermost on, and its own, the last.

    None where only importing it tells, as of what is written in C. Raises MissingModuleError where a part is nowhere.
    """
    parts, files, locations = module.split("."), list[Path](), None
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        try:
            found = _outermost(name) if end == 1 else _inside(name, locations)
        except KeyError:  # a folder without __init__.py inside a package, whose place follows that one's import
            return None
        if found is None:
            raise MissingModuleError(name, files)
        if str(found.origin).endswith(".py"):
            files.append(Path(str(found.origin)))
        elif found.submodule_search_locations is None or end == len(parts):
            return None
        locations = found.submodule_search_locations
    return files


def _inside(name: str, locations: Sequence[str] | None) -> ModuleSpec | None:
    """A module of a package; of what is none there is nothing."""
    return None if locations is None else PathFinder.find_spec(name, locations)


class MissingModuleError(UnusableInputError):
    """A module, or a package around it, is nowhere."""

    def __init__(self, name: str, files: Sequence[Path]) -> None:
        """``files`` are those of the packages around it that were found."""
        super().__init__(f"no such module: {name!r}: give file.py:NAME or correct the name")
        self.files = files


def _outermost(name: str) -> ModuleSpec | None:
    """As it is found from the working folder; one that cannot be looked for is left to its import, which says more."""
    with _working_folder_first():
        try:
            return importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return ModuleSpec(name, None)


@contextmanager
def _working_folder_first() -> Iterator[None]:
    path = sys.path[:]
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = path
