"""Pause Python's garbage collector where there are no reference cycles, or let it look for them more rarely."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_RARELY = 20_000
"""New objects between two searches for cycles, of which Python has 700."""


@contextmanager
def rare_collection() -> Iterator[None]:
    """Let the collector search more rarely during work that makes many objects, of which a model's code makes some."""
    before = gc.get_threshold()
    if not 0 < before[0] < _RARELY:  # it is switched off, or as rare, maybe through another thread in here
        yield
        return
    gc.set_threshold(_RARELY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the collector during short work that makes many objects and no cycles, where it would find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
