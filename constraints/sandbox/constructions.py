"""Which calls in the user's files make the modules of a model, by the positions of the frames that are at work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from constraints.sandbox.loops import Loop, Loops
from constraints.source_edits import Position

_NOT_THE_USERS = (f"{Path(torch.__file__).parent}{os.sep}", f"{Path(__file__).parent}{os.sep}")


Cells = Mapping[str, tuple[str, int]]
"""Name of a notebook's cell -> the notebook, and how many lines of its joined text are before the cell."""


class Call(NamedTuple):
    """A call that was running, and the function that contains it."""

    file: str
    position: Position
    code: CodeType

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the function that contains it, in order."""
        return self.code.co_varnames[: self.code.co_argcount + self.code.co_kwonlyargcount]


class Level(NamedTuple):
    """A call that was at work when a module was made, and which run of its function that was."""

    call: Call
    frame: FrameType
    turns: Mapping[Loop, int]
    """Of the loops of the function."""


class Constructions:
    """While it is entered, the calls are noted by which modules are made."""

    def __init__(self, *, is_wanted: bool, loops: Loops | None = None, cells: Cells = MappingProxyType({})) -> None:
        """Unless ``is_wanted``, nothing is noted, and nothing costs time."""
        self.is_wanted, self.loops, self.cells = is_wanted, loops, cells
        self._made: dict[int, tuple[nn.Module, tuple[Level, ...]]] = {}
        self._original: Callable[..., None] = nn.Module.__init__

    def __enter__(self) -> Constructions:
        if self.is_wanted:
            self._original = nn.Module.__init__
            nn.Module.__init__ = self._noting(nn.Module.__init__)  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_wanted:
            nn.Module.__init__ = self._original  # type: ignore[method-assign]

    def calls(self, module: nn.Module) -> tuple[Call, ...]:
        """The calls at work when a module was made, the innermost first; none where that was not seen."""
        return tuple(level.call for level in self.levels(module))

    def levels(self, module: nn.Module) -> tuple[Level, ...]:
        """The same with the runs of the functions that contain them."""
        return self._made.get(id(module), (module, ()))[1]

    def _noting(self, original: Callable[..., None]) -> Callable[..., None]:
        @wraps(original)
        def init(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            levels = tuple(self._level(*found) for found in frames_at(sys._getframe(1), self.cells))
            self._made[id(module)] = (module, levels)  # kept alive, so that no other has its id
            original(module, *args, **kwargs)

        return init

    def _level(self, call: Call, frame: FrameType) -> Level:
        return Level(call, frame, self.loops.turns(frame) if self.loops else {})


def calls_at(frame: FrameType | None, cells: Cells = MappingProxyType({})) -> tuple[Call, ...]:
    """The calls of the user's code that are at work in a frame and around it, the innermost first."""
    return tuple(call for call, _ in frames_at(frame, cells))


def frames_at(frame: FrameType | None, cells: Cells = MappingProxyType({})) -> list[tuple[Call, FrameType]]:
    """The same with their frames."""
    found = []
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith((*_NOT_THE_USERS, "<")):
            place = next(islice(code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
            if None not in place:
                file, start = cells.get(code.co_filename, (code.co_filename, 0))
                line, end_line, column, end_column = map(int, place)  # type: ignore[arg-type]
                position = Position(line + start, end_line + start, column, end_column)
                found.append((Call(file, position, code), frame))
        frame = frame.f_back
    return found
