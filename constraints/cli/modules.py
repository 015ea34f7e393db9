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
    """The Python files of the packages that contain a module, the outermost first, and its own file last.

    None where only an import can tell, for example for C extensions. Raises MissingModuleError if a part is not found.
    """
    parts, files, locations = module.split("."), list[Path](), None
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        try:
            found = _outermost(name) if end == 1 else _inside(name, locations)
        except KeyError:  # a namespace package inside a package: its path is known after an import only
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
    """A module of a package; None where it has none of that name."""
    return None if locations is None else PathFinder.find_spec(name, locations)


class MissingModuleError(UnusableInputError):
    """A module, or a package that contains it, is not found."""

    def __init__(self, name: str, files: Sequence[Path]) -> None:
        """``files`` are the files of the packages around it that were found."""
        super().__init__(f"no such module: {name!r}: give file.py:NAME or correct the name")
        self.files = [*files]


def _outermost(name: str) -> ModuleSpec | None:
    """The spec as found from the working folder; an empty one if that fails, since the import's error says more."""
    with _working_folder_first():
        try:
            return PathFinder.find_spec(name) or importlib.util.find_spec(name)  # not one of this name loaded before
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
