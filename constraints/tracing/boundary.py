"""Watch what a recorded run does outside torch's dispatcher: values read, threads, subclasses."""

from __future__ import annotations

import _thread
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.pool import ThreadPool
from threading import Thread
from typing import Any, Protocol

import torch
import torch.utils.dlpack
from torch import nn
from torch.utils import _mode_utils
from torch.utils import _python_dispatch as dispatch

_READS = ("numpy", "tolist", "__dlpack__", "data_ptr", "untyped_storage", "apply_", "map_", "map2_")
"""Methods that give access to a tensor's values, or its arguments', without an operation of the dispatcher."""
_OF_FILES = 2
"""The protocol of ``torch.save``; its reader refuses types that are not torch's own."""
_OF_POOLS = ("apply_async", "_map_async", "imap", "imap_unordered")
"""Methods that submit a function to the threads of a pool; all others call one of them."""
_UNSEEN: tuple[tuple[Any, str], ...] = (
    (dispatch, "_disable_current_modes"),
    (torch._C, "_DisableTorchDispatch"),
    (dispatch, "_pop_mode_temporarily"),
    (_mode_utils, "no_dispatch"),
    (torch._C, "_ExcludeDispatchKeyGuard"),
    (torch._C, "_pop_torch_dispatch_stack"),
    (torch._C, "_swap_tensor_impl"),
    (torch._C, "_to_dlpack"),
    (torch.utils.dlpack, "to_dlpack"),
    (torch._C.ScriptFunction, "__call__"),
    (torch._C.ScriptMethod, "__call__"),
)
"""Functions inside which values are read unseen by any mode, as in printing a tensor, and TorchScript programs."""
_ABSENT = object()


class Watcher(Protocol):
    """Receives the events of this module in a thread that is followed."""

    def is_followed(self) -> bool:
        """Whether the operations of this thread are recorded."""

    def follow(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with its operations recorded in whatever thread runs it."""

    def leave(self) -> None:
        """From here on, operations that are not recorded may read values."""

    def read(self, tensor: torch.Tensor) -> None:
        """Values of a tensor leave the run."""

    def bare(self, tensor: torch.Tensor) -> AbstractContextManager[None]:
        """Within it, nothing of the recording is attached to the tensor."""

    def unread(self) -> AbstractContextManager[None]:
        """Within it, reads in this thread do not count as values leaving the run."""

    def rewrapped(self, tensor: torch.Tensor, again: torch.Tensor) -> None:
        """A tensor was given another type."""


@contextmanager
def watched(watcher: Watcher, modules: Iterable[nn.Module] = ()) -> Iterator[None]:
    """Notify ``watcher`` of what this process does with tensors outside the dispatcher; undone afterwards.

    Files that define ``modules`` may have imported a watched function by name: it is watched under that name too.
    """
    changed: list[tuple[Any, str, Any]] = [
        *((torch.Tensor, name, _reading(getattr(torch.Tensor, name), watcher)) for name in _READS),
        (torch.Tensor, "__reduce_ex__", _reducing(torch.Tensor.__reduce_ex__, watcher)),
        (torch.Tensor, "__deepcopy__", _copying(torch.Tensor.__deepcopy__, watcher)),
        (torch._tensor_str, "_str", _printing(torch._tensor_str._str, watcher)),
        (torch.Tensor, "as_subclass", _rewrapping(torch.Tensor.as_subclass, watcher, 0)),
        (torch.Tensor, "_make_subclass", staticmethod(_rewrapping(torch.Tensor._make_subclass, watcher, 1))),
        *((owner, name, _leaving(getattr(owner, name), watcher)) for owner, name in _UNSEEN),
        (_thread, "start_new_thread", _submitted(_thread.start_new_thread, watcher)),
        (Thread, "start", _starting(Thread.start, watcher)),
        (ThreadPoolExecutor, "submit", _submitting(ThreadPoolExecutor.submit, watcher)),
        *((ThreadPool, name, _submitting(getattr(ThreadPool, name), watcher)) for name in _OF_POOLS),
    ]
    changed += _imported(changed, modules)
    before = [(owner, name, owner.__dict__.get(name, _ABSENT)) for owner, name, _ in changed]
    for owner, name, made in changed:
        setattr(owner, name, made)
    try:
        yield
    finally:
        for owner, name, was in before:
            if was is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, was)


def _imported(changed: Iterable[tuple[Any, str, Any]], modules: Iterable[nn.Module]) -> list[tuple[Any, str, Any]]:
    """The names that the modules' files imported for a watched function, with the replacement."""
    files = {type(m).__module__ for m in modules} - {"torch"}
    known = [sys.modules[f] for f in files if f in sys.modules and not f.startswith("torch.")]
    if not known:
        return []
    made = {id(getattr(owner, name)): new for owner, name, new in changed if not isinstance(owner, type)}
    return [(file, name, made[id(v)]) for file in known for name, v in list(vars(file).items()) if id(v) in made]


def _in_place_of(method: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the name and the signature of a method, in a tenth of the time that ``functools.wraps`` takes."""

    def named(made: Callable[..., Any]) -> Callable[..., Any]:
        made.__name__ = method.__name__
        vars(made)["__wrapped__"] = method
        return made

    return named


def _reading(method: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    @_in_place_of(method)
    def reading(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if watcher.is_followed():
            for tensor in (self, *(a for a in args if isinstance(a, torch.Tensor))):
                watcher.read(tensor)
        return method(self, *args, **kwargs)

    return reading


def _printing(method: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    """Printing a tensor reads its values in many small operations, which count as one read."""

    @_in_place_of(method)
    def printing(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not watcher.is_followed():
            return method(self, *args, **kwargs)
        watcher.read(self)
        with watcher.unread():
            return method(self, *args, **kwargs)

    return printing


def _leaving(enter: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    def leaving(*args: Any, **kwargs: Any) -> Any:
        if watcher.is_followed():
            watcher.leave()
        return enter(*args, **kwargs)

    return leaving


def _reducing(method: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    @_in_place_of(method)
    def reducing(self: torch.Tensor, protocol: Any) -> Any:
        if not watcher.is_followed():
            return method(self, protocol)
        watcher.read(self)
        with watcher.bare(self) if protocol == _OF_FILES else nullcontext():
            return method(self, protocol)

    return reducing


def _copying(method: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    @_in_place_of(method)
    def copying(self: torch.Tensor, memo: dict[int, Any]) -> Any:
        with watcher.unread():
            return method(self, memo)

    return copying


def _rewrapping(method: Callable[..., Any], watcher: Watcher, at: int) -> Callable[..., Any]:
    @_in_place_of(method)
    def rewrapping(*args: Any, **kwargs: Any) -> Any:
        made = method(*args, **kwargs)
        if watcher.is_followed() and len(args) > at and isinstance(args[at], torch.Tensor):
            watcher.rewrapped(args[at], made)
        return made

    return rewrapping


def _starting(method: Callable[[Thread], None], watcher: Watcher) -> Callable[[Thread], None]:
    @_in_place_of(method)
    def start(self: Thread) -> None:
        is_of_a_pool = "worker" in getattr(getattr(self, "_target", None), "__name__", "")  # it outlives the run
        if watcher.is_followed() and not is_of_a_pool:
            self.__dict__["run"] = watcher.follow(self.run)
        method(self)

    return start


def _submitting(method: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    @_in_place_of(method)
    def submit(
        self: ThreadPoolExecutor | ThreadPool, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        return method(self, watcher.follow(function) if watcher.is_followed() else function, *args, **kwargs)

    return submit


def _submitted(start: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    def started(function: Callable[..., Any], /, *args: Any) -> Any:
        return start(watcher.follow(function) if watcher.is_followed() else function, *args)

    return started
