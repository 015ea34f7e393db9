"""Numbers that were read from tensors, and whether they come back as arguments or results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constraints.tracing.overloads import Operator

_USUAL, _LARGE = 2, 1_000_000
"""Whole numbers up to the first stand in any program, those beyond the second in nearly none."""
_NEAR = 2
"""How far a number that was read and one that was made of it by rounding and counting from 1 may be apart."""


class ReadNumbers:
    """The numbers that a run read from tensors, without their signs."""

    def __init__(self, written: Callable[[], Collection[int]] = frozenset) -> None:
        """Begin with none; ``written`` finds the whole numbers that stand in the program, once they are needed."""
        self._numbers: set[float] = set()
        self._find = written

    def note(self, result: Any) -> None:
        """Note what an operation gave, where it is a number."""
        if isinstance(result, (float, complex)) or type(result) is int:
            self._numbers.add(abs(result))

    def come_back(self, operator: Operator, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> bool:
        """Whether an argument is a number that was read before, or one that may be computed from it.

        That is any whole number, however far from what was read, that neither stands in the program nor comes of the
        sizes of the operation's tensors.
        """
        if not self._numbers:
            return False
        whole = [abs(a) for at, a in enumerate(args) if type(a) is int and at in operator.operands]
        again = any(self._is_near(a) or not (a in self._written or _is_of_sizes(a, args)) for a in whole if a > _USUAL)
        return again or bool(self.kind_of([*args, *(kwargs.values() if kwargs else ())]))

    def _is_near(self, number: int) -> bool:
        return number > _LARGE or any(abs(number - n) <= _NEAR for n in self._numbers)

    @cached_property
    def _written(self) -> Collection[int]:
        return self._find()

    def kind_of(self, numbers: Iterable[Any]) -> str:
        """Whether some of them were "read" from tensors, or may be "computed" of such; integers left aside.

        What stands in a program has few digits; what comes of a sample's values has many.
        """
        floats = [abs(a) for a in numbers if isinstance(a, (float, complex))]
        computed = any(a not in self._numbers and a != float(f"{a:.6g}") for a in floats)
        return "computed" if computed else "read" if any(a in self._numbers for a in floats) else ""


def _is_of_sizes(number: int, args: Sequence[Any]) -> bool:
    """Whether a number is a tensor's size, or a product of its sizes."""
    shapes = [tuple(a.shape) for a in args if hasattr(a, "shape")]
    return any(number in accumulate(shape[at:], mul) for shape in shapes for at in range(len(shape)))
