"""Numbers that were read from tensors, and whether they come back as arguments or results."""

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
"""How far a number may be from its nearest one in single precision, relative to it."""


class ReadNumbers:
    """The numbers that a run read from tensors, without their signs."""

    def __init__(
        self, rounds: Callable[[], bool] = lambda: False, floor_divides: Callable[[], bool] = lambda: False
    ) -> None:
        """Begin with none.

        ``rounds`` finds whether the program may make round numbers, once that is needed, and ``floor_divides`` whether
        it may make floats of few digits.
        """
        self._find_division = floor_divides
        self._numbers: set[float] = set()
        self._find = rounds
        self._has_round = False
        """Whether round numbers were read themselves, or numbers that are not known."""
        self.unchosen_seed: int | None = None
        """The seed of torch's generator as long as the program does not choose one."""

    def note(self, result: Any) -> None:
        """Note what an operation gave, where it is a number."""
        if isinstance(result, (float, complex)) or type(result) is int:
            self._numbers.add(abs(result))
            self._has_round = self._has_round or type(result) is int

    def note_all(self) -> None:
        """Note that a tensor was read as a list or an array, of which any number may be made."""
        self._has_round = True

    def come_back(self, operator: Operator, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Returned:
        """Whether an argument was "read" before, or is one that "maybe" was computed of such.

        A number of many digits that equals one that was read is that one. Any other of many digits may be computed;
        one of few digits only where the program rounds, or reads whole numbers: else it is the program's own. The
        seed that random numbers are drawn from is an argument too, where the program chose one in this run.
        """
        if self.is_empty:
            return ""
        named = kwargs.items() if kwargs else ()
        given = [*args, *(v for _, v in named)]
        floats = [abs(a) for a in given if isinstance(a, (float, complex))]
        many = [a for a in floats if _has_many_digits(a)]
        if any(a in self._numbers for a in many):
            return "read"
        whole = [a for at, a in enumerate(args) if type(a) is int and at in operator.operands]
        whole += [a for n, a in named if type(a) is int and operator.names.get(n) in operator.operands]
        if operator.draws:
            whole += (seeds := chosen(given, self.unchosen_seed))
            if not self._numbers.isdisjoint(seeds):
                return "read"
        may_be = (
            many
            or any(a in self._numbers for a in floats)
            or ((whole or floats) and self.may_be_round())
            or (floats and self._finds_division)
        )
        return "maybe" if may_be else ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read so far."""
        return not (self._numbers or self._has_round)

    @cached_property
    def _finds_division(self) -> bool:
        return self._find_division()

    @cached_property
    def _finds_rounding(self) -> bool:
        return self._find()

    def may_be_round(self) -> bool:
        """Whether a whole number, or one of few digits, may be computed of what was read."""
        return self._has_round or (bool(self._numbers) and self._finds_rounding)

    def as_tensor(self) -> torch.Tensor:
        """The real ones."""
        return torch.tensor([n for n in self._numbers if not isinstance(n, complex)], dtype=torch.float64)

    def kind_of(self, numbers: Iterable[Any]) -> str:
        """Whether some of them were "read" from tensors, or may be "computed" of such; integers left aside.

        What is written in a program has few digits; what comes of a sample's values has many.
        """
        floats = [abs(a) for a in numbers if isinstance(a, (float, complex))]
        computed = any(a not in self._numbers and _has_many_digits(a) for a in floats)
        return "computed" if computed else "read" if any(a in self._numbers for a in floats) else ""


def are_short(numbers: Iterable[float]) -> bool:
    """Whether all have as few digits as numbers in a program, in single precision at least."""
    return not any(n != float(f"{n:.6g}") and abs(n - float(f"{n:.6g}")) > abs(n) * _SINGLE for n in numbers)


def _has_many_digits(number: float) -> bool:
    return number != float(f"{number:.6g}")
