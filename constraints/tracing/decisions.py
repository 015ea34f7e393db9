"""Whether code only decides by a truth value that it reads, or may calculate with it, as ``y * int(y.amax() > 0)``."""

from __future__ import annotations

import dis
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter
from types import FrameType
from typing import Literal

_PASSING = frozenset(["TO_BOOL", "UNARY_NOT", "CACHE", "NOP", "EXTENDED_ARG"])
"""Instructions after which a truth value is still one."""
_ENDING = frozenset(["POP_TOP", "FORMAT_VALUE", "FORMAT_SIMPLE", "CONVERT_VALUE"])
"""Instructions that drop a value, or make a text of it for a message."""
_OURS = "constraints."
_Use = Literal["decides", "returned", "calculates"]


def only_decides(frame: FrameType | None) -> bool:
    """Whether the truth value that the running instruction of a frame reads is used by jumps and messages alone.

    A value that a function returns is followed into the code that called it, one in a local variable to each place
    that loads it. The frames of this package are skipped.
    """
    for code in _of_users(frame):
        steps = list(dis.get_instructions(code.f_code))
        at = max(bisect_right(steps, code.f_lasti, key=attrgetter("offset")) - 1, 0)  # it may be in a cache behind
        use = _use(steps, at)
        if use != "returned":
            return use == "decides"
    return False


def _of_users(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith(_OURS):
            yield frame
        frame = frame.f_back


def _use(steps: Sequence[dis.Instruction], at: int) -> _Use:
    """What the value is used for that the instruction ``at`` reads."""
    if _is_jump(steps[at]):
        return "decides"
    following = _next(steps, at + 1)
    if following.opname == "RETURN_VALUE":
        return "returned"
    if following.opname == "STORE_FAST":
        name = following.argval
        loads = [i for i, step in enumerate(steps) if _loads(step, name)]
        return (
            "decides" if all(_is_on_top(steps[i], name) and _ends(_next(steps, i + 1)) for i in loads) else "calculates"
        )
    return "decides" if _ends(following) else "calculates"


def _next(steps: Sequence[dis.Instruction], first: int) -> dis.Instruction:
    return next(step for step in islice(steps, first, None) if step.opname not in _PASSING)


def _is_jump(step: dis.Instruction) -> bool:
    """Whether an instruction takes a truth value off the stack and jumps by it."""
    return "JUMP" in step.opname and "IF" in step.opname and not step.opname.endswith("OR_POP")


def _ends(step: dis.Instruction) -> bool:
    """Whether an instruction takes a truth value off the stack without any result that code could calculate with."""
    return _is_jump(step) or step.opname in _ENDING


def _loads(step: dis.Instruction, name: str) -> bool:
    """Whether an instruction uses a local variable, by itself or together with another one."""
    return "LOAD_FAST" in step.opname and name in _variables(step)


def _is_on_top(step: dis.Instruction, name: str) -> bool:
    """Whether the next instruction takes a variable that this one loads: of two, the second one alone."""
    return name not in _variables(step)[:-1]


def _variables(step: dis.Instruction) -> tuple[str, ...]:
    return step.argval if isinstance(step.argval, tuple) else (step.argval,)
