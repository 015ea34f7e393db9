"""Numbers that were read are known again; what stands in a program is not taken for one."""

from __future__ import annotations

import torch

from constraints.tracing.overloads import looked_up
from constraints.tracing.read_numbers import ReadNumbers

_ADD = looked_up(torch.ops.aten.add.Tensor)


def test_numbers_come_back_after_they_were_read() -> None:
    numbers = ReadNumbers(lambda: {50})
    assert not numbers.come_back(_ADD, (None, 0.123456789), None)
    numbers.note(-41)
    numbers.note("text")
    assert numbers.come_back(_ADD, (None, 42), None)
    assert not numbers.come_back(_ADD, (None, 50), None)
    assert not numbers.come_back(_ADD, (None, 0.5), None)
    assert numbers.come_back(_ADD, (None,), {"alpha": 0.123456789})


def test_a_number_was_read_or_may_be_computed() -> None:
    numbers = ReadNumbers()
    numbers.note(0.123456789)
    assert numbers.kind_of([-0.123456789, 3]) == "read"
    assert numbers.kind_of([0.123456789, 0.987654321]) == "computed"
    assert not numbers.kind_of([0.5, 1])


def test_a_whole_number_far_from_what_was_read_is_known_by_the_program_or_the_sizes() -> None:
    numbers, map_ = ReadNumbers(lambda: {7}), torch.ones(3, 5, 8)
    numbers.note(1234.5)
    known = (0, 1, 2, 7, 3, 5, 8, 15, 40, 120)  # of any program, of this one, sizes and products of neighbouring ones
    assert not any(numbers.come_back(_ADD, (map_, n), None) for n in known)
    assert all(numbers.come_back(_ADD, (map_, n), None) for n in (4, 24, 411, -6))
