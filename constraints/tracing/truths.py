"""Truth values that a model's code reads one by one: from the second element of one tensor on they are its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constraints.tracing.handles import Handle
from constraints.tracing.recipes import step_of

if TYPE_CHECKING:
    from constraints.tracing.run import RecordedOperation

_PARTS = """
    select slice split split_with_sizes unsafe_split unsafe_split_with_sizes unbind narrow diagonal as_strided
    index index_select gather take masked_select
"""
_TAKING = frozenset(_PARTS.split())
"""Operations that take some elements of a tensor."""
_MOST_STEPS = 24
"""Most operations that are followed back from a truth value."""


class Truths:
    """The truth values that were read so far, by the tensors that they come from."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made_by: dict[Handle, RecordedOperation] = {}
        self._number_seen = 0
        self._read: dict[tuple[object, ...], Sequence[object]] = {}
        """The tensor and the operations that lead to a truth value -> the first elements that were taken so."""

    def is_another(self, operations: Sequence[RecordedOperation]) -> bool:
        """Whether the truth value that the last operation read is that of another element than one read before.

        Both are computed by the same operations, of which one takes other elements: ``[bool(t) for t in y > 0]``.
        """
        for recorded in operations[self._number_seen :]:
            self._made_by.update((handle, recorded) for handle in recorded.outputs)
        self._number_seen = len(operations)
        handle, steps, taken = operations[-1].inputs[0], list[str](), list[object]()
        while len(steps) < _MOST_STEPS:
            made = self._made_by.get(handle)
            if made is None or not made.inputs or made.inputs[0] is handle:
                break
            steps.append(made.operator.op)
            if made.operator.op in _TAKING:
                at = next(i for i, output in enumerate(made.outputs) if output is handle)
                taken.append((at, step_of(made.operator.op, made.args, made.kwargs), *made.inputs[1:]))
            handle = made.inputs[0]
        return self._read.setdefault((handle, *steps), taken) != taken
