"""Import files of the user's in which a statement failed once more, statement by statement, as the main file is run."""

from __future__ import annotations

import importlib.abc
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import FrameType, ModuleType

from constraints.owners import is_users
from constraints.sandbox.source import Source, read

Run = Callable[[ModuleType, Source], None]


class ByStatement(importlib.abc.MetaPathFinder):
    """An import finder for such files."""

    def __init__(self, run: Run) -> None:
        """``run`` runs the statements of a file in its module."""
        self._run = run
        self._files: set[str] = set()

    def takes(self, error: BaseException) -> bool:
        """Whether a file that Python imported raised the error; if so, it is found here from now on."""
        frames, at = list[FrameType](), error.__traceback__
        while at is not None:
            code, at_frame, at = at.tb_frame.f_code, at.tb_frame, at.tb_next
            if code.co_name == "<module>" and is_users(code.co_filename):
                frames.append(at_frame)
        if not frames or not _is_import(frames[-1].f_back):
            return False
        file = frames[-1].f_code.co_filename
        is_new = file not in self._files
        self._files.add(file)
        return is_new

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find such a file where Python does."""
        spec = PathFinder.find_spec(fullname, path, target) if self._files else None
        if spec is None or spec.origin is None or spec.origin not in self._files:
            return None
        spec.loader = _Loader(fullname, spec.origin, self._run)
        return spec


class _Loader(SourceFileLoader):
    """Python's own loader, except for how the statements are run."""

    def __init__(self, fullname: str, file: str, run: Run) -> None:
        super().__init__(fullname, file)
        self._run = run

    def exec_module(self, module: ModuleType) -> None:
        self._run(module, read(Path(self.path)))


def _is_import(frame: FrameType | None) -> bool:
    """Whether a frame is of Python's import system, which runs the code of a whole file."""
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")
