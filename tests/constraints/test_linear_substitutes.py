"""Linear functions in place of others."""

import torch
import torch.nn.functional as F

from constraints.linear_substitutes import BORDERLESS, SUBSTITUTES


def test_a_sum_takes_the_place_of_a_bound_that_is_a_tensor() -> None:
    a, b = torch.tensor([1.0, 3.0]), torch.tensor([3.0, 1.0])
    assert SUBSTITUTES["clamp"](torch.clamp, (a,), {"min": b, "max": 2}).tolist() == [4, 4]
    assert SUBSTITUTES["clamp_min"](torch.clamp_min, (a, b), {}).tolist() == [4, 4]
    assert SUBSTITUTES["clip"](torch.clip, (a, 0, 1), {}) is a
    assert SUBSTITUTES["clamp_"](torch.Tensor.clamp_, (a,), {"max": b}) is a
    assert a.tolist() == [4, 4]


def test_an_average_takes_the_place_of_a_maximum() -> None:
    x = torch.arange(6.0).reshape(1, 1, 6)
    taken = SUBSTITUTES["max_pool1d"](F.max_pool1d, (x, 3, 1), {})
    assert taken.flatten().tolist() == [1, 2, 3, 4]
    dilated = SUBSTITUTES["max_pool1d"](F.max_pool1d, (x, 2, 1, 0, 4), {})
    assert dilated.flatten().tolist() == [4, 6]  # 0 + 4 and 1 + 5


def test_the_sum_takes_the_place_of_the_larger_one() -> None:
    a, b = torch.ones(2), torch.full((2,), 3.0)
    assert SUBSTITUTES["maximum"](torch.maximum, (a, b), {}).tolist() == [4, 4]
    values, places = SUBSTITUTES["max"](torch.max, (torch.tensor([[1.0, 3.0]]), 1), {})
    assert (values.tolist(), places.tolist()) == ([2], [1])


def test_zeros_take_the_place_of_what_wraps_around_or_reflects() -> None:
    x = torch.arange(1.0, 5.0).reshape(1, 1, 4)
    assert BORDERLESS["roll"](x, 1, 2).flatten().tolist() == [0, 1, 2, 3]
    assert BORDERLESS["roll"](x, -1, 2).flatten().tolist() == [2, 3, 4, 0]
    assert BORDERLESS["pad"](x, (1, 0), "reflect").flatten().tolist() == [0, 1, 2, 3, 4]
