"""The call that makes the judged map, among those of the forward pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from constraints.judged_call import judged_call
from tests.constraints.written import Written


def test_the_call_before_a_global_pool() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1))
    call = judged_call(model, (3, 8, 8))
    assert (call.names, call.position, call.shape, call.input) == (("conv2d", "relu"), 0, (1, 4, 6, 6), 0)


def test_one_of_several_results() -> None:
    model = Written(lambda m, x: torch.chunk(m.a(x), 2, 1)[1].mean((2, 3)), a=nn.Conv2d(3, 4, 3))
    call = judged_call(model, (3, 8, 8))
    assert (call.names[-1], call.position, call.shape) == ("chunk", 1, (1, 2, 6, 6))


def test_the_second_input() -> None:
    model = Written(lambda m, n, x: m.a(x), a=nn.Conv2d(3, 4, 3))
    assert judged_call(model, [(2,), (3, 8, 8)]).input == 1


def test_without_a_map_there_is_none() -> None:
    with pytest.raises(UnusableInputError, match="no map is judged: the model makes none"):
        judged_call(nn.Linear(3, 3), (3,))
