"""Modules that cells of a notebook write (``%%writefile net.py``), imported from the text as if from the file."""

from __future__ import annotations

import importlib.abc
import linecache
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import CodeType, ModuleType


class WrittenFiles(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """An import finder for Python files that exist only as text, by their path relative to the working folder."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """``texts`` are path -> text."""
        self.texts = dict(texts)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find such a module, or a package that contains one, of which the rest may be in a folder."""
        is_package, file = self.is_package(fullname), self._file(fullname)
        if not is_package and file not in self.texts:
            return None
        in_folder = PathFinder.find_spec(fullname, path) if is_package else None
        if in_folder is not None and in_folder.submodule_search_locations is not None and file not in self.texts:
            return in_folder
        spec = ModuleSpec(fullname, self, origin=file if file in self.texts else None, is_package=is_package)
        spec.has_location = spec.origin is not None  # so that it has a __file__
        if in_folder is not None:
            spec.submodule_search_locations = list(in_folder.submodule_search_locations or ())
        return spec

    def is_package(self, fullname: str) -> bool:
        """Whether one of the files is in a folder of this name."""
        folder = fullname.replace(".", "/") + "/"
        return any(path.startswith(folder) for path in self.texts)

    def get_source(self, fullname: str) -> str:
        """The text of the module; empty for a package without ``__init__.py``."""
        return self.texts.get(self._file(fullname), "")

    def get_code(self, fullname: str) -> CodeType:
        """The compiled text; its lines can be read where an error names them."""
        path, text = self._file(fullname), self.get_source(fullname)
        if text:
            linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        return self.source_to_code(text, path)

    def _file(self, fullname: str) -> str:
        path = fullname.replace(".", "/")
        return f"{path}/__init__.py" if self.is_package(fullname) else f"{path}.py"
