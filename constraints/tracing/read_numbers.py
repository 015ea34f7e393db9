"""Numbers that were read from tensors, and whether they come back as arguments or results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from constraints.tracing.run import Returned

if TYPE_CHECKING:
    from constraints.tracing.overloads import Operator


class ReadNumbers:
    """The numbers that a run read from tensors, without their signs."""

    def __init__(self, rounds: Callable[[], bool] = lambda: False) -> None:
        """Begin with none; ``rounds`` finds whether the program may make round numbers, once that is needed."""
        self._numbers: set[float] = set()
        self._find = rounds
        self._has_round = False
        """Whether round numbers were read themselves, or numbers that are not known."""

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
        one of few digits only where the program rounds, or reads whole numbers: else it is the program's own.
        """
        if not (self._numbers or self._has_round):
            return ""
        named = kwargs.items() if kwargs else ()
        given = [*args, *(v for _, v in named)]
        floats = [abs(a) for a in given if isinstance(a, (float, complex))]
        many = [a for a in floats if _has_many_digits(a)]
        if any(a in self._numbers for a in many):
            return "read"
        whole = [a for at, a in enumerate(args) if type(a) is int and at in operator.operands]
        whole += [a for n, a in named if type(a) is int and operator.names.get(n) in operator.operands]
        may_be = many or any(a in self._numbers for a in floats) or ((whole or floats) and self._may_round)
        return "maybe" if may_be else ""

    @cached_property
    def _finds_rounding(self) -> bool:
        return self._find()

    @property
    def _may_round(self) -> bool:
        return self._has_round or self._finds_rounding

    def kind_of(self, numbers: Iterable[Any]) -> str:
        """Whether some of them were "read" from tensors, or may be "computed" of such; integers left aside.

        What is written in a program has few digits; what comes of a sample's values has many.
        """
        floats = [abs(a) for a in numbers if isinstance(a, (float, complex))]
        computed = any(a not in self._numbers and _has_many_digits(a) for a in floats)
        return "computed" if computed else "read" if any(a in self._numbers for a in floats) else ""


def _has_many_digits(number: float) -> bool:
    return number != float(f"{number:.6g}")
