"""Which module runs, in each thread that is followed, by wrappers around the forward methods."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Protocol

from torch import nn

from constraints.faults import hands_over
from constraints.tracing.run import Frame


class Follower(Protocol):
    """The recorder, and the module that each thread is in."""

    here: Here
    is_over: bool

    def follow(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose operations are recorded in whatever thread runs it."""


@contextmanager
def naming(modules: Mapping[str, nn.Module], recorder: Follower) -> Iterator[None]:
    """Let ``recorder`` know which module runs, by wrappers around the forward methods."""
    own = [(m, m.__dict__.get("forward")) for m in dict.fromkeys(modules.values())]
    for path, module in modules.items():
        module.__dict__["forward"] = _wrapped(module, path, recorder)
    set_state = nn.Module.__setstate__
    nn.Module.__setstate__ = _setting(set_state, {_id_of(m.forward): forward for m, forward in own})  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__setstate__ = set_state  # type: ignore[method-assign]
        for module, forward in own:
            del module.__dict__["forward"]
            if forward is not None:
                module.__dict__["forward"] = forward


def _wrapped(module: nn.Module, path: str, recorder: Follower) -> Callable[..., Any]:
    """The wrapper for a module; bound as the method that it wraps is, so that a deep copy of it is one of the copy."""
    forward, is_leaf = module.forward, not module._modules
    if isinstance(forward, types.MethodType) and forward.__self__ is module:
        return types.MethodType(_named(forward.__func__, path, is_leaf, recorder), module)
    return _named(forward, path, is_leaf, recorder)


def _setting(method: Callable[..., None], own: Mapping[int, Any]) -> Callable[..., None]:
    """A shallow copy of a module runs by its own method, not by that of the module which it copies."""

    @wraps(method)
    def setting(self: nn.Module, state: dict[str, Any]) -> None:
        method(self, state)
        forward = self.__dict__.get("forward")
        if _id_of(forward) not in own or getattr(forward, "__self__", None) is self:
            return
        del self.__dict__["forward"]
        if (before := own[_id_of(forward)]) is not None:
            self.__dict__["forward"] = before

    return setting


def _id_of(forward: Any) -> int:
    return id(getattr(forward, "__func__", forward))


def _named(forward: Callable[..., Any], path: str, is_leaf: bool, recorder: Follower) -> Callable[..., Any]:
    here = recorder.here

    @hands_over
    def named(*args: Any, **kwargs: Any) -> Any:
        stack = here.stack
        if not stack and not recorder.is_over:  # in a thread that was running before
            return recorder.follow(_named(forward, path, is_leaf, recorder))(*args, **kwargs)
        stack.append(Frame(path, is_leaf))
        try:
            return forward(*args, **kwargs)
        finally:
            stack.pop()

    vars(named)["__wrapped__"] = forward  # so that its signature still reads
    return named


class Here(threading.local):
    """What is known of one thread."""

    def __init__(self) -> None:
        """Begin with a thread that is not followed."""
        self.stack: list[Frame] = []
        """The modules that are running, the innermost last; empty where the thread is not followed."""
        self.is_copying = False
