"""Names of attributes that code makes at run time, as ``getattr(self, f"conv{i}")``, and which they may be."""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterator, Sequence

from constraints.tracing.unseen import computed_lookups

_TABLES = frozenset(["__dict__", "attrgetter", "__getattribute__"])
"""Names in code that looks up attributes by names which it makes at run time, as the functions of ``unseen`` do."""
_ATTRIBUTES = frozenset(["LOAD_ATTR", "LOAD_METHOD"])
_OWNERS_OF_CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
_CALLS = frozenset(["PRECALL", "CALL"])

MayBe = Callable[[str], bool]
"""Whether a name that is made may be this one."""


def names_made(code: types.CodeType, named: Sequence[object]) -> Iterator[MayBe]:
    """The names of attributes that code makes; ``named`` are the objects that its global names refer to."""
    if not _TABLES.isdisjoint(code.co_names):
        yield _containing(code)
    for function, following in computed_lookups(code):
        if function != getattr.__name__:
            yield _containing(code)
        elif not _is_on_a_file(following, named):
            start = _start(following)
            yield _beginning(start) if start else _containing(code)


def _is_on_a_file(steps: Sequence[dis.Instruction], named: Sequence[object]) -> bool:
    """Whether ``getattr`` looks at a global name, and all such names refer to files, functions and classes."""
    is_global = steps[0].opname == "LOAD_GLOBAL" and steps[1].opname.startswith("LOAD_")
    return is_global and steps[1].opname not in _ATTRIBUTES and all(isinstance(n, _OWNERS_OF_CODE) for n in named)


def _beginning(start: str) -> MayBe:
    return lambda name: name.startswith(start)


def _containing(code: types.CodeType) -> MayBe:
    """Names with one of the texts of code that formats texts; any name where it formats none."""
    is_formatted = any(step.opname == "BUILD_STRING" for step in dis.get_instructions(code))
    parts = [text for text in code.co_consts if isinstance(text, str) and text] if is_formatted else []
    return lambda name: not parts or any(part in name for part in parts)


def _start(steps: Sequence[dis.Instruction]) -> str:
    """The constant beginning of the name by which ``getattr`` looks something up; empty if there is none.

    As in ``f"conv{i}"``, ``"conv" + str(i)``, ``"conv%d" % i`` and ``"conv{}".format(i)``. The first steps load the
    object, those after the name its default, if any, and call.
    """
    first = next((i for i, step in enumerate(steps[1:], 1) if step.opname not in _ATTRIBUTES), 0)
    text, depth = steps[first].argval if steps[first].opname == "LOAD_CONST" else None, 1
    if not isinstance(text, str) or not steps[0].opname.startswith("LOAD_"):
        return ""
    for at in range(first + 1, len(steps)):
        step = steps[at]
        if "JUMP" in step.opname:
            break
        if depth == 1:  # the name so far is on top
            if _ends_arguments(steps[at:]):
                return text
            if step.opname in _ATTRIBUTES:
                if step.argval != str.format.__name__ or at != first + 1:
                    return ""
                text = text.partition("{")[0]
        depth += dis.stack_effect(step.opcode, step.arg)
        if depth < 1 or (depth == 1 and not _keeps_start(step)):
            return ""
        if step.argrepr == "%":
            text = text.partition("%")[0]
    return ""


def _ends_arguments(steps: Sequence[dis.Instruction]) -> bool:
    """Whether the call follows, or one simple default and the call."""
    is_load = steps[0].opname.startswith("LOAD_") and steps[0].opname not in _ATTRIBUTES
    last, count = (steps[1], 3) if is_load else (steps[0], 2)
    return last.opname in _CALLS and last.arg == count


def _keeps_start(step: dis.Instruction) -> bool:
    """Whether an instruction whose result is the name so far leaves its beginning as it is."""
    is_joined = step.opname == "BINARY_OP" and step.argrepr in {"+", "%"}
    return is_joined or step.opname == "BUILD_STRING" or step.opname in _CALLS
