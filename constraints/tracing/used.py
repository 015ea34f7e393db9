"""Which operations of a run reach its outputs; no torch."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from constraints.tracing.handles import Handle
from constraints.tracing.read_values import is_one_truth

if TYPE_CHECKING:
    from constraints.tracing.run import RecordedOperation, Run

_NEW_MEMORY = frozenset(["set", "set_data"])
"""Operations after which a tensor uses other memory, so that it is unknown in the end which it shared before."""


def used(run: Run, others: Iterable[Handle] = ()) -> AbstractSet[int]:
    """The numbers, from 1, of the operations from which a value may reach an output, a buffer, or the model's code.

    Or one of the tensors ``others``.
    A single truth value does not count as reaching the code: it decides what runs, and what runs is seen. Call it
    after the propagation, which finds the memory that tensors share.
    """
    numbers = range(1, len(run.operations) + 1)
    if run.closed or any(recorded.operator.op in _NEW_MEMORY for recorded in run.operations):
        return set(numbers)
    wanted = _memories([*run.outputs, *run.kept.buffers, *others])
    found = set()
    for number in reversed(numbers):
        recorded = run.operations[number - 1]
        leaves = not recorded.outputs and not is_one_truth(recorded)
        if leaves or _stays(recorded) or not wanted.isdisjoint(_memories(recorded.outputs)):
            found.add(number)
            wanted |= _memories(recorded.inputs)
    return found


def _memories(handles: Iterable[Handle]) -> set[Handle]:
    return {h.memory.root if h.memory is not None else h for h in handles}


def _stays(recorded: RecordedOperation) -> bool:
    """Whether it writes to a tensor that was there before the run, which a later run may read."""
    roots = _memories(recorded.targets)
    return any(h.name is not None or h.content is not None or h.tied is not None for h in roots)
