"""Record which calls in the user's files construct the modules of a model, from the call stack."""

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

from constraints.call_syntax import Position
from constraints.sandbox.loops import Loop, Loops

_NOT_THE_USERS = (f"{Path(torch.__file__).parent}{os.sep}", f"{Path(__file__).parent}{os.sep}")
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
Cells = Mapping[str, tuple[str, int]]
"""Name of a notebook's cell -> the notebook, and how many lines of the joined text precede the cell."""


class UserCall(NamedTuple):
    """A call that was running, and the function that contains it."""

    file: str
    position: Position
    code: CodeType

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the function that contains it, in order."""
        return self.code.co_varnames[: self.code.co_argcount + self.code.co_kwonlyargcount]


class Level(NamedTuple):
    """A call on the stack when a module was constructed, and which run of the function around it that was."""

    call: UserCall
    frame: FrameType
    turns: Mapping[Loop, int]
    """The current iteration of each loop of the function."""


class RunningCall(NamedTuple):
    """A call on the stack."""

    call: UserCall
    frame: FrameType
    """That of the function around it."""
    inner: tuple[FrameType, ...]
    """Those of the comprehensions around it."""


class Constructions:
    """While it is entered, records the calls that construct modules."""

    def __init__(self, *, is_wanted: bool, loops: Loops | None = None, cells: Cells = MappingProxyType({})) -> None:
        """Unless ``is_wanted``, nothing is recorded, at no cost of time."""
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

    def calls(self, module: nn.Module) -> tuple[UserCall, ...]:
        """The calls on the stack when a module was constructed, innermost first; empty where not recorded."""
        return tuple(level.call for level in self.levels(module))

    def levels(self, module: nn.Module) -> tuple[Level, ...]:
        """As ``calls``, with the runs of the functions that contain them."""
        return self._made.get(id(module), (module, ()))[1]

    def _noting(self, original: Callable[..., None]) -> Callable[..., None]:
        @wraps(original)
        def init(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            levels = tuple(self._level(found) for found in frames_at(sys._getframe(1), self.cells))
            self._made[id(module)] = (module, levels)  # kept alive, so that its id is not reused
            original(module, *args, **kwargs)

        return init

    def _level(self, found: RunningCall) -> Level:
        turns = [self.loops.turns(frame) for frame in (found.frame, *found.inner)] if self.loops else []
        return Level(found.call, found.frame, {loop: turn for of_frame in turns for loop, turn in of_frame.items()})


def calls_at(frame: FrameType | None, cells: Cells = MappingProxyType({})) -> tuple[UserCall, ...]:
    """The calls of the user's code on the stack of a frame, the innermost first."""
    return tuple(found.call for found in frames_at(frame, cells))


def frames_at(frame: FrameType | None, cells: Cells = MappingProxyType({})) -> list[RunningCall]:
    """As ``calls_at``, with their frames; a call in a comprehension is one of the function that contains it."""
    found = []
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith((*_NOT_THE_USERS, "<")):
            place = next(islice(code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
            inner = [frame]
            while (around := _around_comprehension(inner[-1])) is not None:
                inner.append(around)
            frame = inner.pop()
            if None not in place:
                file, start = cells.get(code.co_filename, (code.co_filename, 0))
                line, end_line, column, end_column = map(int, place)  # type: ignore[arg-type]
                position = Position(line + start, end_line + start, column, end_column)
                found.append(RunningCall(UserCall(file, position, frame.f_code), frame, tuple(inner)))
        frame = frame.f_back
    return found


def _around_comprehension(frame: FrameType) -> FrameType | None:
    """The frame of the function that contains a comprehension, which is a function of its own before Python 3.12."""
    if frame.f_code.co_name not in _COMPREHENSIONS:
        return None
    around = frame.f_back
    while around is not None and frame.f_code not in around.f_code.co_consts:
        around = around.f_back
    return around
