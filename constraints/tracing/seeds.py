"""Detect seeds of random numbers that the model's code chose itself."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

_MARK = 0x5BD1_E995_9E37_79B9
"""The current seed with these bits flipped: a value that no program is expected to choose."""
_BYTES = 8
"""Length of the seed at the start of the state of torch's generator; the numbers drawn depend on the rest only."""


@contextmanager
def marked() -> Iterator[int]:
    """Within it, torch's generator reports a seed that no program chooses, but draws as before; yields that seed."""
    before = torch.default_generator.initial_seed()
    _say(before ^ _MARK)
    now = torch.default_generator.initial_seed()
    try:
        yield now
    finally:
        if now != before and torch.default_generator.initial_seed() == now:
            _say(before)


def _say(seed: int) -> None:
    state = torch.get_rng_state()
    # written to by no operation, which a default device or a mode of the caller's would change
    ctypes.memmove(state.data_ptr(), seed.to_bytes(_BYTES, sys.byteorder), _BYTES)
    torch.set_rng_state(state)


def chosen(given: Sequence[Any], unchosen: int | None) -> list[int]:
    """The seeds that an operation with these arguments draws from, where its program chose them.

    The program's own generators always have such a seed; torch's has one if its seed is no longer ``unchosen``.
    """
    generators = [a for a in given if isinstance(a, torch.Generator)]
    if generators:
        return [g.initial_seed() for g in generators]
    seed = torch.default_generator.initial_seed()
    return [] if seed == unchosen else [seed]
