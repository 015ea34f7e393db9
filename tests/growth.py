"""How the work of a function grows, counted rather than timed, so that the machine cannot change the answer.

Counted are the lines of this project that run (comprehensions and generators count a line a step), and the elements
that numpy handles for it. What C does at once with a list, ``x in several`` say, counts as nothing, nor does what other
libraries do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

LINEAR = 6.0
"""More than 4 n may cost than n: linear work gives 4, n log n less than 5 from n = 256 on, quadratic work 16."""
_ROOT = Path(__file__).parent.parent
_PLACES = tuple(f"{_ROOT / name}/" for name in ("nas", "constraints", "tests"))
_PACKAGES = ("nas.", "constraints.", "tests.")


@dataclass(kw_only=True)
class Work:
    """What was done."""

    lines: int = 0
    elements: int = 0


def assert_growth(prepare: Callable[[int], Callable[[], object]], n: int, *, factor: float = LINEAR) -> None:
    """Fail where ``prepare(4 * n)()`` takes more than ``factor`` times the lines or elements of ``prepare(n)()``.

    Preparing does not count. The smaller call is made once before, so that nothing is loaded or cached while counting.
    """
    prepare(n)()
    small, large = count(partial(prepare, n)), count(partial(prepare, 4 * n))
    assert small.lines + small.elements >= n, f"only {small} for {n}: nothing that grows was called"
    assert large.lines <= factor * small.lines, f"from {n} to {4 * n}: {small} grows to {large}"
    assert large.elements <= factor * small.elements, f"from {n} to {4 * n}: {small} grows to {large}"


def count(prepare: Callable[[], Callable[[], object]]) -> Work:
    """The work of the call that ``prepare`` makes ready, in this thread."""
    work = Work()
    with _counted_elements(work):
        call = prepare()  # its arrays count, too, once they are used
        work.elements = 0
        with _counted_lines(work):
            call()
    return work


@contextmanager
def _counted_lines(work: Work) -> Iterator[None]:
    def entered(frame: FrameType, event: str, argument: object) -> Any:
        name = frame.f_code.co_filename
        return ran if name.startswith(_PLACES) and name != __file__ else None

    def ran(frame: FrameType, event: str, argument: object) -> Any:
        work.lines += event == "line"
        return ran

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def _counted_elements(work: Work) -> Iterator[None]:
    """Give the project's modules a numpy whose arrays count what is done with them."""
    users = [m for name, m in list(sys.modules.items()) if name.startswith(_PACKAGES) and vars(m).get("np") is np]
    users = [module for module in users if module.__name__ != __name__]
    for module in users:
        vars(module)["np"] = _Numpy(work)
    try:
        yield
    finally:
        for module in users:
            vars(module)["np"] = np


class _Numpy:
    """numpy, whose functions count, and return arrays that count; ufuncs count by the arrays that they are given."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        is_function = callable(found) and not isinstance(found, type | np.ufunc)
        return partial(_done, self._work, found) if is_function else found


class _Counting(np.ndarray[Any, Any]):
    """An array that counts the elements of every operation with it."""

    work: Work

    def __array_finalize__(self, parent: Any) -> None:
        if isinstance(parent, _Counting):
            self.work = parent.work

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return _done(self.work, getattr(ufunc, method), *inputs, **options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        return _done(self.work, function, *arguments, **options)

    def __getitem__(self, key: Any) -> Any:
        found = _plain(self)[_changed(key, _plain)]
        is_view = isinstance(found, np.ndarray) and found.base is not None
        self.work.elements += 1 if is_view else max(np.size(found), _size(key))
        return _changed(found, partial(_counting, self.work))

    def __setitem__(self, key: Any, value: Any) -> None:
        plain, key = _plain(self), _changed(key, _plain)
        self.work.elements += max(np.size(plain[key]), _size(key))
        plain[key] = _changed(value, _plain)


def _done(work: Work, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function of numpy; its work is as large as the largest array that goes in or comes out."""
    plain = [_changed(a, _plain) for a in arguments]
    result = function(*plain, **{name: _changed(value, _plain) for name, value in options.items()})
    work.elements += max(_size(plain), _size(result))
    return _changed(result, partial(_counting, work))


def _size(value: Any) -> int:
    """Of the largest array in it."""
    sizes = [0]
    _changed(value, lambda array: sizes.append(array.size))
    return max(sizes)


def _counting(work: Work, array: np.ndarray[Any, Any]) -> _Counting:
    found = array.view(_Counting)
    found.work = work
    return found


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.view(np.ndarray)


def _changed(value: Any, change: Callable[[np.ndarray[Any, Any]], Any]) -> Any:
    """``value`` with each array in it, or in its lists and tuples, changed."""
    if isinstance(value, np.ndarray):
        return change(value)
    if type(value) in (list, tuple) and any(isinstance(part, np.ndarray | list | tuple) for part in value):
        return type(value)(_changed(part, change) for part in value)
    return value


def _method(name: str) -> Callable[..., Any]:
    """A method of arrays that is no ufunc, counted."""

    def counted(self: _Counting, *arguments: Any, **options: Any) -> Any:
        return _done(self.work, getattr(np.ndarray, name), self, *arguments, **options)

    return counted


for _name in ("argsort", "astype", "copy", "cumsum", "nonzero", "repeat", "searchsorted", "sort", "take", "tolist"):
    setattr(_Counting, _name, _method(_name))
