"""Values that leave a run as numbers or arrays, and results that may be computed from them; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from constraints.tracing.axes import Shape, unknown
from constraints.tracing.handles import MADE_OF_NUMBERS, MADE_OF_READ, Handle
from constraints.tracing.maps import Maps
from constraints.tracing.outcomes import Outcomes
from constraints.tracing.values import Value

if TYPE_CHECKING:
    from constraints.tracing.run import RecordedOperation

_TRUTHS = ("equal", "is_nonzero", "allclose", "is_same_size")
"""Operations whose result is a truth value."""


def is_one_truth(recorded: RecordedOperation) -> bool:
    """Whether one truth value leaves the run by which code only decides what runs, and what runs is seen.

    Those of several elements of a tensor, read one by one, are as good as the tensor.
    """
    if recorded.is_a_value:
        return False
    if recorded.operator.op in _TRUTHS:
        return True
    return all(h.kind == "truth" and math.prod(h.shape) == 1 for h in recorded.inputs)


class ReadValues:
    """The values read so far from tensors that depend on an input."""

    def __init__(self, outcomes: Outcomes, maps: Maps, *, suspects: bool) -> None:
        """Begin with nothing read; with ``suspects``, a number that may be computed from read values counts as one."""
        self.values: list[Value] = []
        self.decided: list[str] = []
        """Modules that read values of the input, by which the code may decide what runs."""
        self.doubts: dict[str, None] = {}
        """Reasons for doubt: operations that take numbers that may be computed from read values."""
        self._outcomes, self._maps, self._suspects = outcomes, maps, suspects
        self._by = ""
        """The module that read the first value."""

    def note(self, recorded: RecordedOperation, inputs: Sequence[Value]) -> None:
        """Record that values leave the run: numbers from outside may depend on them from now on."""
        found = [v for v in inputs if v.depends]
        if not found or recorded.operator.op == "_has_compatible_shallow_copy_type":
            return
        self.decided.append(recorded.frame.path)
        if is_one_truth(recorded):
            return
        self._by = self._by if self.values else recorded.frame.path
        self.values += found

    def note_size(self, recorded: RecordedOperation, inputs: Sequence[Value]) -> None:
        """Record a result whose size depends on values, by which code may decide what runs."""
        indices = [v for h, v in zip(recorded.inputs, inputs, strict=False) if h.kind == "truth"]
        if any(v.depends for v in (indices if recorded.operator.op == "index" else inputs)):
            self.decided.append(recorded.frame.path)

    def are_taken(self, recorded: RecordedOperation) -> bool:
        """Whether an operation takes a number computed from read values; a mere possibility is recorded as a doubt."""
        if recorded.returned == "maybe" and self.values:
            self._doubt(
                f"{recorded.operator.op} in {recorded.frame.path}" if recorded.frame.path else recorded.operator.op
            )
        return bool(self.values) and (recorded.returned == "read" or (self._suspects and recorded.returned == "maybe"))

    def made(self, handle: Handle, index: int) -> Value | None:
        """The value of a tensor made of numbers or an array that come from read values; None if they do not."""
        if not self.values:
            return None
        if handle.source == MADE_OF_NUMBERS:
            self._doubt("a tensor")
        is_of_read = handle.source == MADE_OF_READ or (self._suspects and handle.source == MADE_OF_NUMBERS)
        return self.returned(handle.shape, index) if is_of_read else None

    def returned(self, shape: Shape, index: int, *, is_seed: bool = False) -> Value:
        """The value of what is computed from read numbers, or drawn from a seed that was read."""
        why = f"values that were read from a tensor{self._where} and came back"
        views, flow = self._outcomes.of_anything(self.values, why)
        # single places may be assembled to a map again, and what is drawn from a seed differs from place to place
        views = tuple(unknown(why) if v is not None and (is_seed or v.is_part) else v for v in views)
        value = Value(shape, views, flow, None, index)
        self._maps.note(value)
        return value

    def _doubt(self, what: str) -> None:
        why = f"numbers that may be constants, or computed of values that were read from a tensor{self._where}"
        self.doubts[f"{what}: {why}"] = None

    @property
    def _where(self) -> str:
        return f" in {self._by}" if self._by else ""
