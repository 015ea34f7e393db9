"""Whether code only decides by a truth value that it reads, or may calculate with it, as ``y * int(y.amax() > 0)``."""

from __future__ import annotations

import dis
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter
from types import FrameType
from typing import Literal

from constraints.tracing.attribute_loads import Loads
from constraints.tracing.stacks import Taker, callee, taker

_PASSING = frozenset(["TO_BOOL", "UNARY_NOT", "CACHE", "NOP", "EXTENDED_ARG", "PRECALL"])
"""Instructions after which a truth value is still one."""
_ENDING = frozenset(["FORMAT_VALUE", "FORMAT_SIMPLE", "CONVERT_VALUE"])
"""Instructions that make a text of a value for a message."""
_COMPARING = frozenset(["IS_OP", "COMPARE_OP"])
_CALLS = frozenset(["CALL", "CALL_KW"])
_CHOOSING = frozenset(["max", "min"])
"""Functions that return one of their arguments, of which they read truth values."""
_SHOWING = frozenset(
    ["print", "debug", "info", "warning", "warn", "error", "critical", "exception", "_assert", "_check"]
)
"""Functions that show a value, or stop where it does not hold."""
_ADDING = frozenset(["append", "add"])
"""Functions that keep a value."""
_OURS = "constraints."
Use = Literal["decides", "kept", "calculates"]
"""What code does with a truth value: it only jumps and writes messages by it, keeps it, or may calculate with it."""
_Use = Use | Literal["returned"]


def use_of_truth(frame: FrameType | None, loads: Loads) -> Use:
    """What code does with the truth value that the running instruction of a frame reads.

    A value that a function returns is followed into the code that called it, one in a local variable or in an
    attribute to each place that ``loads`` it. The frames of this package are skipped.
    """
    found, attributes = set[_Use](), _Attributes(loads)
    for code in _of_users(frame):
        uses = _Uses(list(dis.get_instructions(code.f_code)), attributes).of_running(code.f_lasti)
        found |= uses - {"returned"}
        if "returned" not in uses:
            return _strongest(found)
    return "calculates"


def _strongest(uses: set[_Use]) -> Use:
    return "calculates" if "calculates" in uses else "kept" if "kept" in uses else "decides"


def _of_users(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith(_OURS):
            yield frame
        frame = frame.f_back


class _Attributes:
    """The uses of a truth value in attributes, each of which is followed once."""

    def __init__(self, loads: Loads) -> None:
        self._loads = loads
        self._seen = set[str]()

    def uses_of(self, name: str) -> set[_Use]:
        """What code does with the value of an attribute; what a function returns may be calculated with."""
        if name in self._seen:
            return set()
        self._seen.add(name)
        found = set[_Use]()
        places = self._loads(name)
        for steps, at in places or ():
            found |= _Uses(steps, self).behind(at)
        return {"calculates"} if places is None or "returned" in found else found


class _Uses:
    """The uses of a truth value in one function: its ways from instruction to instruction, each of them once."""

    def __init__(self, steps: Sequence[dis.Instruction], attributes: _Attributes) -> None:
        self._steps, self._attributes = steps, attributes
        self._index = {step.offset: i for i, step in enumerate(steps)}
        self._waiting: list[tuple[int, int]] = []
        """Instructions before which the value is on top of the stack, each with how many times."""

    def of_running(self, offset: int) -> set[_Use]:
        """The uses of the value that the instruction at an offset, or a cache behind it, reads."""
        steps = self._steps
        at = max(bisect_right(steps, offset, key=attrgetter("offset")) - 1, 0)
        if steps[at].opname == "PRECALL":  # it may call by itself
            at = next(i for i in range(at, len(steps)) if steps[i].opname in _CALLS)
        if "JUMP" in steps[at].opname:
            self._jump(at, 1)
            return self._followed()
        if steps[at].opname == "CALL" and steps[at].arg != 1 and callee(steps, Taker(at, 0)) in _CHOOSING:
            return {"decides"}
        return self.behind(at)

    def behind(self, at: int) -> set[_Use]:
        """The uses of the value that an instruction leaves on top of the stack."""
        self._waiting.append((at + 1, 1))
        return self._followed()

    def _followed(self) -> set[_Use]:
        found, seen = set[_Use](), set[tuple[int, int]]()
        while self._waiting:
            place = self._waiting.pop()
            if place not in seen:
                seen.add(place)
                found |= self._go_on(*place)
        return found

    def _go_on(self, at: int, times: int) -> set[_Use]:
        """What the next instruction uses the value for, if it does; and where the value is on top of the stack then."""
        step = self._steps[at]
        name = step.opname
        if name == "RETURN_VALUE":
            return {"returned"}
        if name in _PASSING:
            self._waiting.append((at + 1, times))
        elif "JUMP" in name:
            self._jump(at, times)
        elif name == "COPY" and step.arg is not None and step.arg <= times:
            self._waiting.append((at + 1, times + 1))
        elif name == "POP_TOP" or name in _ENDING:
            self._leave(at, times)
        elif name == "STORE_FAST":
            self._leave(at, times)
            return self._load(step.argval)
        elif name == "LOAD_CONST" and self._steps[at + 1].opname in _COMPARING:
            self._waiting.append((at + 2, times))
        else:
            return self._taken(at, times)
        return set()

    def _leave(self, at: int, times: int) -> None:
        """Go on behind an instruction that takes the value off the stack, if it is there more than once."""
        if times > 1:
            self._waiting.append((at + 1, times - 1))

    def _jump(self, at: int, times: int) -> None:
        step = self._steps[at]
        there = self._index[step.argval]
        if "IF" not in step.opname:
            self._waiting.append((there, times))
            return
        self._leave(at, times)
        left = times if step.opname.endswith("OR_POP") else times - 1
        if left:
            self._waiting.append((there, left))

    def _load(self, variable: str) -> set[_Use]:
        """Go on wherever a local variable is loaded as the last of what an instruction loads."""
        loads = [i for i, step in enumerate(self._steps) if "LOAD_FAST" in step.opname and variable in _variables(step)]
        if any(variable in _variables(self._steps[i])[:-1] for i in loads):
            return {"calculates"}
        self._waiting += [(i + 1, 1) for i in loads]
        return set()

    def _taken(self, at: int, times: int) -> set[_Use]:
        """What the instruction uses the value for that takes it together with others."""
        place = taker(self._steps, at) if times == 1 else None
        if place is None:
            return {"calculates"}
        step = self._steps[place.at]
        if step.opname in {"STORE_ATTR", "STORE_SUBSCR"}:
            if place.above != 1 + (step.opname == "STORE_SUBSCR"):
                return {"calculates"}
            return self._attributes.uses_of(step.argval) if step.opname == "STORE_ATTR" else {"kept"}
        function = callee(self._steps, place)
        if function == "bool" and place.above == 0 and step.arg == 1:
            self._waiting.append((place.at + 1, 1))
            return set()
        is_dropped = self._steps[place.at + 1].opname == "POP_TOP"
        if is_dropped and function in _SHOWING:
            return set()
        return {"kept"} if is_dropped and function in _ADDING else {"calculates"}


def _variables(step: dis.Instruction) -> tuple[str, ...]:
    return step.argval if isinstance(step.argval, tuple) else (step.argval,)
