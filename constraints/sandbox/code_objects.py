"""Compiled code with the functions and classes in it."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object, then those of the functions, classes and comprehensions that it defines, however deep."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)
