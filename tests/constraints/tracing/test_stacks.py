"""The instruction that takes a value off the stack, and the function that it calls."""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any

import pytest

from constraints.tracing.stacks import callee, taker


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda f, y: print(f(y)), ("CALL", 0, "print")),
        (lambda f, y: print("a", f(y), y), ("CALL", 1, "print")),
        (lambda f, y: y.log.debug(y.a, f(y), y.b.c), ("CALL", 1, "debug")),
        (lambda f, y: max(y.mean(), f(y)), ("CALL", 0, "max")),
        (lambda f, y: max(y, y)(f(y)), ("CALL", 0, "")),
        (lambda f, y: y.items[0](f(y)), ("CALL", 0, "")),
        (lambda f, y: f(y) + y, None),
        (lambda f, y: f(y).item(), None),
    ],
)
def test_a_call_that_takes_a_value(function: Callable[..., Any], found: tuple[str, int, str] | None) -> None:
    steps = list(dis.get_instructions(function))
    loaded = next(i for i, s in enumerate(steps) if "LOAD_FAST" in s.opname and "f" in s.argval)
    first = next(i for i, s in enumerate(steps) if i > loaded and s.opname == "CALL")
    place = taker(steps, first + 1)
    if found is None:
        assert place is None
    else:
        assert place is not None
        assert (steps[place.at].opname, place.above, callee(steps, place)) == found
