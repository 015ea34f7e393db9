"""The elements of a tensor that is not trained, as the one implementation reads them."""

from __future__ import annotations

import pytest
import torch

from constraints.tracing.content import Content
from constraints.tracing.registry import Fixed

NUMBERS = torch.tensor([3, -1, 0])


def test_what_reads_a_tensor_is_told_from_a_step_that_computed_it() -> None:
    assert isinstance(Fixed(NUMBERS), Content)
    assert not isinstance(("mul", (2,)), Content)
    assert not isinstance(NUMBERS, Content)


@pytest.mark.parametrize(
    ("tensor", "other", "are_same"),
    [
        (NUMBERS, NUMBERS[None, :, None], True),
        (NUMBERS, NUMBERS.flip(0), False),
        (NUMBERS, NUMBERS.int(), False),
        (torch.arange(6).reshape(2, 3).T, torch.tensor([0, 3, 1, 4, 2, 5]), True),
        (torch.zeros(2), -torch.zeros(2), False),
        (torch.ones(2, dtype=torch.complex64).conj(), torch.ones(2, dtype=torch.complex64), False),
        (torch.empty(0), torch.empty(0, 4), True),
        (torch.zeros(2, device="meta"), torch.zeros(2, device="meta"), False),
    ],
)
def test_a_digest_is_of_the_elements_in_order(tensor: torch.Tensor, other: torch.Tensor, are_same: bool) -> None:
    assert (Fixed(tensor).digest() == Fixed(other).digest()) == are_same
    assert Fixed(tensor).digest() == Fixed(tensor).digest()
