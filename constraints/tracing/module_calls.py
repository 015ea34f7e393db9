"""Track which module is running, in each followed thread, by wrappers around the forward methods."""

from __future__ import annotations

import inspect
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Protocol

from torch import nn

from constraints.faults import calls_user_code, note_layer
from constraints.tracing.run import Frame

_PATH = "_traced_path"
_FORWARD = "forward"
_MARK = "_traced_forward"
_EMPTY: Mapping[str, Any] = {}
_kind: Callable[[object], Any] = type  # mypy does not accept it as hashable
_alone = threading.RLock()
"""Only one run at a time wraps classes."""


class Follower(Protocol):
    """The recorder, and the module that each thread is in."""

    here: Here
    is_over: bool

    def follow(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with its operations recorded in whatever thread runs it."""


@contextmanager
def naming(modules: Mapping[str, nn.Module], recorder: Follower) -> Iterator[None]:
    """While entered, tell ``recorder`` which module is running, by wrappers around the forward methods.

    The method of a class is wrapped in the class, and each module has its path as an attribute: so a copy of a module,
    however it is made, runs itself and under the same path. A forward function set on an instance is wrapped there.
    """
    with _alone:
        kinds = {kind: vars(kind).get(_FORWARD) for kind in set(map(_kind, modules.values())) if _has_method(kind)}
        own = {m: vars(m).get(_FORWARD) for m in modules.values() if _FORWARD in vars(m) or _kind(m) not in kinds}
        methods = [(kind, _named(kind.forward, recorder, kind)) for kind in kinds]
        for kind, method in methods:
            setattr(kind, _FORWARD, method)
        for path, module in [*modules.items()][::-1]:  # reversed, so that a shared module keeps its first path
            vars(module)[_PATH] = path
        for module in own:
            vars(module)[_FORWARD] = _of_module(module, recorder)
        try:
            yield
        finally:
            _put_back(kinds, own, [*modules.values()])


def _put_back(kinds: Mapping[Any, Any], own: Mapping[nn.Module, Any], modules: Sequence[nn.Module]) -> None:
    for module in modules:
        vars(module).pop(_PATH, None)
    for module, forward in own.items():
        vars(module).pop(_FORWARD, None)
        if forward is not None:
            vars(module)[_FORWARD] = forward
    for kind, method in kinds.items():
        if method is None:  # the class inherits its forward method
            delattr(kind, _FORWARD)
        else:
            setattr(kind, _FORWARD, method)


def unwrapped(function: Any) -> Any:
    """The function inside a wrapper of this file; any other function itself."""
    return function.__wrapped__ if getattr(function, _MARK, False) else function


def _has_method(kind: type) -> bool:
    """Whether the forward method of a class is a Python method; TorchScript modules look theirs up on their own."""
    return isinstance(inspect.getattr_static(kind, _FORWARD, None), types.FunctionType)


def _of_module(module: nn.Module, recorder: Follower) -> Callable[..., Any]:
    """The wrapper of a forward function set on an instance; bound like it, so that a deep copy binds to the copy."""
    forward = module.forward
    if isinstance(forward, types.MethodType) and forward.__self__ is module:
        return types.MethodType(_named(forward.__func__, recorder), module)

    @calls_user_code
    def bare(_: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        return forward(*args, **kwargs)

    named = _named(bare, recorder)

    @calls_user_code
    def of_module(*args: Any, **kwargs: Any) -> Any:
        return named(module, *args, **kwargs)

    vars(of_module).update({"__wrapped__": forward, _MARK: True})  # so that inspect.signature still works
    return of_module


def _named(forward: Callable[..., Any], recorder: Follower, kind: type | None = None) -> Callable[..., Any]:
    """A wrapper of a forward function that records that the module is running, if the module has a path.

    As the method of ``kind`` it records nothing in a subclass or for a module with its own forward function.
    """
    here = recorder.here

    @wraps(forward)
    @calls_user_code
    def named(module: Any, /, *args: Any, **kwargs: Any) -> Any:
        held, stack = getattr(module, "__dict__", _EMPTY), here.stack
        path = held.get(_PATH)
        if path is None or (kind is not None and (type(module) is not kind or _FORWARD in held)):
            return forward(module, *args, **kwargs)
        if not stack and not recorder.is_over:  # in a thread that was running before
            return recorder.follow(_named(forward, recorder, kind))(module, *args, **kwargs)
        stack.append(Frame(path, not module._modules))
        try:
            return forward(module, *args, **kwargs)
        except Exception as error:
            note_layer(error, path)
            raise
        finally:
            stack.pop()

    vars(named)[_MARK] = True
    return named


class Here(threading.local):
    """State of one thread."""

    def __init__(self) -> None:
        """Begin with a thread that is not followed."""
        self.stack: list[Frame] = []
        """The modules that are running, the innermost last; empty where the thread is not followed."""
        self.is_copying = False
