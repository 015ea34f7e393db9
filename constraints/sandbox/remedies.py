"""Remedies for errors of a user's code that come from this machine: missing modules, GPUs, folders and networks.

A module that an import does not find is looked for in the folders above the file, or replaced by a stand-in. Code that
asks for a GPU where there is none runs on the CPU. Files by relative paths are read from the folder of the code too.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack, chdir
from pathlib import Path
from typing import TypeVar

from constraints.faults import missing
from constraints.owners import is_users
from constraints.sandbox.cpu_only import WARNING, CpuOnly, asks_for_accelerator
from constraints.sandbox.no_network import HubOffline
from constraints.sandbox.packages import folder_with, has_module, home_of
from constraints.sandbox.standins import StandIns

T = TypeVar("T")
_MOST_PACKAGES = 50
_NO_NAME = re.compile(r"cannot import name '(?P<name>[a-z]\w*)' from '(?P<package>[\w.]+)' ")
"""Error of an import from a package that is not circular, of what by its name may be a module."""


class Remedies:
    """The remedies that one check has applied; undone at the end."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """``tell`` receives a warning where a module was found in another folder."""
        self.absent = StandIns()
        self.home: Path | None = None
        """The folder of the target's outermost package."""
        self.package = ""
        """That package's name."""
        self.file: Path | None = None
        """The target's file."""
        self._tell = tell
        self._undo = ExitStack()
        self._is_on_cpu = False

    def __enter__(self) -> Remedies:
        offline = HubOffline()
        self._undo.callback(offline.undo)
        sys.meta_path.insert(0, offline)
        self._undo.callback(sys.meta_path.remove, offline)
        self._undo.callback(self.absent.forget)
        sys.meta_path.append(self.absent)
        self._undo.callback(sys.meta_path.remove, self.absent)
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def warnings(self) -> tuple[str, ...]:
        """What was replaced by a stand-in, or run on another device than the code says."""
        return (*self.absent.warnings(), *([WARNING] if self._is_on_cpu else []))

    def applied(self, call: Callable[[], T], file: Path) -> T:
        """What ``call`` returns, retried until each module that it does not find is found or replaced by a stand-in."""
        for _ in range(_MOST_PACKAGES):
            try:
                return self.on_cpu(call)
            except ImportError as error:
                if not self._has_found(error, file):
                    raise
                importlib.invalidate_caches()
        return call()

    def on_cpu(self, call: Callable[[], T]) -> T:
        """What ``call`` returns; where it fails because there is no GPU, it is called again on the CPU."""
        try:
            return call()
        except Exception as error:
            if isinstance(error, ImportError) or not self.avoids_accelerator(str(error)):
                raise
        return call()

    def in_its_folder(self, call: Callable[[], T], file: Path | None = None) -> T:
        """What ``call`` returns; it is called again in the folder of its file where only that has a file that it reads.

        Code is often written to run there, as Jupyter runs a notebook. ``file`` is that of the target if not given.
        """
        file = file or self.file
        try:
            return call()
        except FileNotFoundError as error:
            name = error.filename if isinstance(error.filename, str) else ""
            folder = folder_with(name, file) if file else None
            if folder is None:
                raise
        self._tell(f"{name} is read from {folder}, since it is not in {Path.cwd()}")
        with chdir(folder):
            return call()

    def avoids_accelerator(self, error: str) -> bool:
        """Whether an error says that there is no GPU; if so, the code runs on the CPU from then on."""
        if self._is_on_cpu or not asks_for_accelerator(error):
            return False
        self._is_on_cpu = True
        self._undo.enter_context(CpuOnly())
        return True

    def _has_found(self, error: ImportError, file: Path) -> bool:
        """Whether what an import did not find is now found in a folder above the file, or replaced by a stand-in."""
        package, folder = missing(error) if isinstance(error, ModuleNotFoundError) else "", None
        if not package:
            package, folder = self._own_module(error)
        if not package or package in self.absent.packages:
            return False
        if folder is None and (home := home_of(package, file)):
            sys.path.append(str(home))
            if home != file.resolve().parent:
                self._tell(f"{package} is imported from {home}, a folder above the file")
        elif folder is None and (home := _added_folder(package, file)):
            sys.path.append(str(home))
            self._tell(f"{package} is imported from {home}, which sys.path names from the file's folder")
        else:
            is_file = "." not in package
            self.absent.allow(package, folder or ((self.home or file.resolve().parent) if is_file else None))
        return True

    def _own_module(self, error: ImportError) -> tuple[str, Path | None]:
        """A missing module of the file's own packages, and the folder that lacks it; empty for any other error."""
        if isinstance(error, ModuleNotFoundError):
            return (str(error.name), folder) if (folder := self._own_folder(error)) else ("", None)
        found = _NO_NAME.match(str(error))
        paths = list(getattr(sys.modules.get(found["package"]), "__path__", [])) if found else []
        if not found or not paths or not is_users(f"{paths[0]}/"):
            return "", None
        return f"{found['package']}.{found['name']}", Path(paths[0])

    def _own_folder(self, error: ModuleNotFoundError) -> Path | None:
        """The folder that lacks a module of a package of the user's; None where another module is missing."""
        first, *inner = str(error.name).split(".")
        if not inner:
            return None
        if self.home and first == self.package:
            return self.home.joinpath(first, *inner[:-1])
        spec = None if first in sys.stdlib_module_names else importlib.util.find_spec(first)
        folders = [*(spec.submodule_search_locations or [])] if spec else []
        return Path(folders[0]).joinpath(*inner[:-1]) if folders and is_users(f"{folders[0]}/") else None


def _added_folder(package: str, file: Path) -> Path | None:
    """The folder with a module that the user's code added to ``sys.path`` by its path from the file's own folder."""
    added = [file.resolve().parent / entry for entry in sys.path if entry and not Path(entry).is_absolute()]
    return next((folder.resolve() for folder in added if has_module(package, folder)), None)
