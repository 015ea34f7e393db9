"""Numbers that were read are known again; what is the program's own is not taken for one."""

from __future__ import annotations

import torch

from constraints.tracing.overloads import looked_up
from constraints.tracing.read_numbers import ReadNumbers, are_short

_ADD = looked_up(torch.ops.aten.add.Tensor)


def test_a_number_of_many_digits_was_read_or_may_be_computed() -> None:
    numbers = ReadNumbers()
    assert not numbers.come_back(_ADD, (None, 0.123456789), None)
    numbers.note(-0.123456789)
    numbers.note("text")
    assert numbers.come_back(_ADD, (None, 0.123456789), None) == "read"
    assert numbers.come_back(_ADD, (None,), {"alpha": 0.123456789}) == "read"
    assert numbers.come_back(_ADD, (None, 2**-0.5), None) == "maybe"
    assert not numbers.come_back(_ADD, (None, 0.5), {"alpha": 12})


def test_a_number_of_few_digits_may_be_computed_where_the_program_rounds() -> None:
    numbers = ReadNumbers(lambda: True)
    assert not numbers.come_back(_ADD, (None, 12), None)
    numbers.note(1234.5)
    for args, kwargs in [((None, 12), {}), ((None, 0.5), {}), ((None,), {"alpha": 12})]:
        assert numbers.come_back(_ADD, args, kwargs) == "maybe"


def test_a_number_of_few_digits_may_be_computed_of_whole_numbers_arrays_and_lists() -> None:
    for noted in (41, None):
        numbers = ReadNumbers()
        numbers.note_all() if noted is None else numbers.note(noted)
        assert numbers.come_back(_ADD, (None, 12), None) == "maybe"


def test_a_result_was_read_or_may_be_computed() -> None:
    numbers = ReadNumbers()
    numbers.note(0.123456789)
    assert numbers.kind_of([-0.123456789, 3]) == "read"
    assert numbers.kind_of([0.123456789, 0.987654321]) == "computed"
    assert not numbers.kind_of([0.5, 1])


def test_numbers_of_few_digits_are_short_in_single_precision_too() -> None:
    assert are_short(torch.tensor([0.1, 12.0, -0.485, 0.0]).tolist())
    assert not are_short([0.5, 0.123456789])
