"""Numbers that a model's code read from tensors, and whether they return as arguments or results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from constraints.tracing.run import Returned
from constraints.tracing.seeds import chosen

if TYPE_CHECKING:
    from constraints.tracing.overloads import Operator

_SINGLE = 2.0**-24
"""Largest relative error of rounding a number to single precision."""
_TRUTHS = (0, 1)
"""Truth values as numbers."""


class ReadNumbers:
    """The numbers that a run read from tensors, without their signs."""

    def __init__(
        self,
        rounds: Callable[[], bool] = lambda: False,
        floor_divides: Callable[[], bool] = lambda: False,
        adds_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin with none.

        ``rounds`` finds out, when needed, whether the program may produce round numbers, and ``floor_divides`` whether
        it may produce floats of few digits, and ``adds_up`` whether it may add up or count what it keeps.
        """
        self._find_division = floor_divides
        self._adds_up = adds_up
        self._numbers: set[float] = set()
        self._find = rounds
        self._has_round = False
        """Whether round numbers, or unknown numbers, were read."""
        self.is_empty = True
        """Whether nothing has been read so far."""
        self.has_truth = False
        """Whether a truth value was read, which is then an operand as it is nowhere in a program."""
        self.unchosen_seed: int | None = None
        """The seed of torch's generator as long as the program does not choose one."""

    def note(self, result: Any) -> None:
        """Record the result of an operation if it is a number."""
        if isinstance(result, (float, complex)) or type(result) is int:
            self.is_empty = False
            self._numbers.add(abs(result))
            self._has_round = self._has_round or type(result) is int

    def note_truth(self, *, is_only_kept: bool) -> None:
        """Record a truth value that the program may calculate with; one that it only keeps comes back as 0 or 1."""
        self.has_truth, self.is_empty = True, False
        if not is_only_kept or self._adds_up():
            self.note_all()

    def note_all(self) -> None:
        """Record that a tensor was read as a list or an array, from which any number may be computed."""
        self._has_round, self.is_empty = True, False

    def come_back(self, operator: Operator, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Returned:
        """Return "read" if an argument was read before, "maybe" if one may be computed from such numbers, else "".

        A number of many digits that equals one that was read is that one. Any other number of many digits may be
        computed; one of few digits only if the program rounds or reads whole numbers, else it is a constant of the
        program. The seed of random numbers counts as an argument too, if the program chose it in this run.
        """
        if self.is_empty:
            return ""
        named = kwargs.items() if kwargs else ()
        given = [*args, *(v for _, v in named)]
        floats = [abs(a) for a in given if isinstance(a, (float, complex))]
        many = [a for a in floats if _has_many_digits(a)]
        if any(a in self._numbers for a in many):
            return "read"
        operands = [a for at, a in enumerate(args) if at in operator.operands]
        operands += [a for n, a in named if operator.names.get(n) in operator.operands]
        if self.has_truth and any(type(a) is bool for a in operands):
            return "read"
        whole = [a for a in operands if type(a) is int]
        if operator.draws:
            whole += (seeds := chosen(given, self.unchosen_seed))
            if not self._numbers.isdisjoint(seeds):
                return "read"
        may_be = (
            many
            or any(a in self._numbers for a in floats)
            or ((whole or floats) and self.may_be_round())
            or (self.has_truth and any(a in _TRUTHS for a in (*whole, *floats)))
            or (floats and not self.has_only_truths and self._finds_division)
        )
        return "maybe" if may_be else ""

    @cached_property
    def _finds_division(self) -> bool:
        return self._find_division()

    @cached_property
    def _finds_rounding(self) -> bool:
        return self._find()

    def may_be_round(self) -> bool:
        """Whether a whole number, or one of few digits, may be computed from what was read."""
        return self._has_round or (bool(self._numbers) and self._finds_rounding)

    @property
    def has_only_truths(self) -> bool:
        """Whether all that was read is truth values that the program keeps."""
        return self.has_truth and not (self._numbers or self._has_round)

    def as_tensor(self) -> torch.Tensor:
        """The real numbers among them."""
        return torch.tensor([n for n in self._numbers if not isinstance(n, complex)], dtype=torch.float64)

    def kind_of(self, numbers: Iterable[Any]) -> str:
        """Return "computed" if some may be computed from these, "read" if some were, else "". Integers do not count.

        Numbers written in a program have few digits; numbers computed from a sample's values have many.
        """
        floats = [abs(a) for a in numbers if isinstance(a, (float, complex))]
        computed = any(a not in self._numbers and _has_many_digits(a) for a in floats)
        return "computed" if computed else "read" if any(a in self._numbers for a in floats) else ""


def are_short(numbers: Iterable[float]) -> bool:
    """Whether all have as few digits as numbers written in a program, at least after rounding to single precision."""
    return not any(n != float(f"{n:.6g}") and abs(n - float(f"{n:.6g}")) > abs(n) * _SINGLE for n in numbers)


def _has_many_digits(number: float) -> bool:
    return number != float(f"{number:.6g}")
