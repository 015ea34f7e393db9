"""Which instruction of a function takes a value off the stack, and which function it calls with it."""

from __future__ import annotations

import dis
from collections.abc import Sequence
from typing import NamedTuple

_LOADS = frozenset(["LOAD_CONST", "LOAD_SMALL_INT", "LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_GLOBAL", "LOAD_DEREF"])
_OF_TOP = frozenset(["LOAD_ATTR", "LOAD_METHOD"])
"""Instructions that take what is on top of the stack and load something of it."""
_BEFORE_A_CALL = frozenset(["KW_NAMES", "PRECALL", "CACHE", "NOP", "EXTENDED_ARG"])
_TAKING = frozenset(["STORE_ATTR", "STORE_SUBSCR", "CALL"])


class Taker(NamedTuple):
    """An instruction that takes a value, with how many are above it on the stack."""

    at: int
    above: int


def taker(steps: Sequence[dis.Instruction], at: int) -> Taker | None:
    """The instruction that takes the value on top of the stack before instruction ``at``.

    None if others than loads are between them, or what takes it is neither a call nor a store.
    """
    above = 0
    for i in range(at, len(steps)):
        step = steps[i]
        if step.opname in _TAKING:
            is_taken = step.opname != "CALL" or (step.arg or 0) > above
            return Taker(i, above) if is_taken else None
        if step.opname in _BEFORE_A_CALL:
            continue
        if step.opname not in _LOADS and not (step.opname in _OF_TOP and above):
            return None
        above += dis.stack_effect(step.opcode, step.arg)
    return None


def callee(steps: Sequence[dis.Instruction], place: Taker) -> str:
    """The name by which code loads the function that it calls; empty if it makes it in another way."""
    depth, end = (steps[place.at].arg or 0) + 1, place.at  # the depth of the function, below its arguments
    while end and steps[end - 1].opname in _BEFORE_A_CALL:
        end -= 1
    if not end:
        return ""
    for step in reversed(steps[:end]):
        if "JUMP" in step.opname:
            return ""
        if depth == 1:
            return step.argval if isinstance(step.argval, str) and step.opname.startswith("LOAD_") else ""
        depth -= dis.stack_effect(step.opcode, step.arg)
    return ""
