"""Which module runs, in each thread that is followed, by wrappers around the forward methods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from torch import nn

from constraints.faults import hands_over
from constraints.tracing.run import Frame


class Follower(Protocol):
    """Who records, and where each thread is."""

    here: Here
    is_over: bool

    def follow(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose operations are recorded in whatever thread runs it."""


@contextmanager
def naming(modules: Mapping[str, nn.Module], recorder: Follower) -> Iterator[None]:
    """Let ``recorder`` know which module runs, by wrappers around the forward methods."""
    own = [(m, m.__dict__.get("forward")) for m in dict.fromkeys(modules.values())]
    for path, module in modules.items():
        module.__dict__["forward"] = _named(module.forward, path, not module._modules, recorder)
    try:
        yield
    finally:
        for module, forward in own:
            del module.__dict__["forward"]
            if forward is not None:
                module.__dict__["forward"] = forward


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
