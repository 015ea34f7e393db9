"""Modules that cells of a notebook write (``%%writefile net.py``), imported from the text as if from the file."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import linecache
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType


class WrittenFiles(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """An import finder for Python files that exist only as text, by their path relative to the working folder."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """``texts`` are path -> text."""
        self.texts = dict(texts)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find such a module, or a package that contains one."""
        if self.is_package(fullname):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        if self._file(fullname) in self.texts:
            return importlib.machinery.ModuleSpec(fullname, self, origin=self._file(fullname))
        return None

    def is_package(self, fullname: str) -> bool:
        """Whether one of the files is in a folder of this name."""
        folder = fullname.replace(".", "/") + "/"
        return any(path.startswith(folder) for path in self.texts)

    def get_source(self, fullname: str) -> str:
        """The text of the module; empty for a package without ``__init__.py``."""
        path = f"{fullname.replace('.', '/')}/__init__.py" if self.is_package(fullname) else self._file(fullname)
        return self.texts.get(path, "")

    def get_code(self, fullname: str) -> CodeType:
        """The compiled text; its lines can be read where an error names them."""
        path, text = self._file(fullname), self.get_source(fullname)
        if text:
            linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        return self.source_to_code(text, path)

    def _file(self, fullname: str) -> str:
        return fullname.replace(".", "/") + ".py"
