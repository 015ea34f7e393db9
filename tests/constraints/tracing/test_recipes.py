"""Which computed kernels are the same: how they were computed decides it, and from which elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from constraints.tracing.propagation import Propagation
from constraints.tracing.recipes import is_drawn, older_sources, recipe, step_of, without_leading_ones
from tests.constraints.tracing.known import known

Kernels = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
WEIGHT = torch.arange(81.0).reshape(3, 3, 3, 3) + 1


def convolved(kernels: Kernels) -> Propagation:
    """A network that applies kernels one after another, each made from one parameter."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        for kernel in kernels(m.w):
            x = F.conv2d(x, kernel, padding="same")
        return x

    return known(run, w=nn.Parameter(WEIGHT.clone()))


def layers(kernels: Kernels) -> int:
    return len({call.key for call in convolved(kernels).calls if call.is_conv})


SAME: dict[str, Kernels] = {
    "other shapes on the way": lambda w: (w, w.reshape(9, 9).unsqueeze(0).view(3, 3, 3, 3)),
    "copies": lambda w: (w, w.clone(), w.detach(), w.contiguous()),
    "another precision": lambda w: (w, w.half().float(), w.double().float()),
    "the same step twice": lambda w: (w * 2, w * 2),
    "in place": lambda w: (w.clone().mul_(2), w.clone().mul_(2)),
    "equal constants": lambda w: (w * torch.arange(3.0), w * torch.arange(3.0)),
    "constants of more leading axes": lambda w: (w * torch.arange(3.0), w * torch.arange(3.0)[None, None]),
    "an index as a list and as a tensor": lambda w: (w[[2, 1, 0]], w[torch.tensor([2, 1, 0])]),
    "a layout": lambda w: (w.transpose(0, 1), w.transpose(0, 1).contiguous()),
}
DIFFERENT: dict[str, Kernels] = {
    "real numbers": lambda w: (w * 2, w * 3),
    "complex numbers": lambda w: ((w * 1j).imag, (w * 2j).imag),
    "whole and real": lambda w: (w.to(torch.int8).float(), w),
    "truths": lambda w: (w.bool().float(), w),
    "two types of integers": lambda w: (w.to(torch.int8).float(), w.to(torch.int16).float()),
    "bits": lambda w: (w.view(torch.int32).float(), w),
    "axes": lambda w: (w.cumsum(2), w.cumsum(3)),
    "texts": lambda w: (F.gelu(w), F.gelu(w, approximate="tanh")),
    "named and positional": lambda w: (w.clamp(min=5.0), w.clamp(max=5.0)),
    "constants": lambda w: (w * torch.arange(3.0), w * torch.arange(1.0, 4.0)),
    "the axis of a constant": lambda w: (w * torch.arange(3.0), w * torch.arange(3.0)[:, None]),
    "order": lambda w: (torch.stack([w[0], w[1], w[2]]), torch.stack([w[1], w[0], w[2]])),
    "a permutation that looks like a view": lambda w: (w, w.transpose(0, 1).reshape(9, 9).view(3, 3, 3, 3)),
    "parts of one result": lambda w: (w.repeat(1, 1, 1, 2).chunk(2, 3)[0] * 2, w.unbind()[1].expand(3, 3, 3, 3) * 2),
}


@pytest.mark.parametrize("name", SAME)
def test_one_computation_is_one_layer(name: str) -> None:
    assert layers(SAME[name]) == 1


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_computation_is_another_layer(name: str) -> None:
    assert layers(DIFFERENT[name]) == 2


def test_a_digest_is_as_long_after_many_operations() -> None:
    def deep(w: torch.Tensor) -> tuple[torch.Tensor, ...]:
        for _ in range(2000):  # deeper than Python's own stack
            w = w * 0.5
        return w, w * 1

    kernels = [call.inputs[1] for call in convolved(deep).calls if call.is_conv]
    found = [recipe(kernel) for kernel in kernels]
    assert [len(digest) for digest in found] == [32, 32]
    assert found[0] != found[1]


def test_a_parameter_has_no_recipe_and_no_older_source() -> None:
    (conv,) = (call for call in convolved(lambda w: (w.view(9, 9).view(3, 3, 3, 3),)).calls if call.is_conv)
    assert not recipe(conv.inputs[1])
    assert older_sources(conv.inputs[1]) == frozenset()


def test_two_buffers_of_the_same_elements_are_two_kernels_and_numbers_written_down_are_one() -> None:
    def buffers(m: Any, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.conv2d(F.conv2d(x, m.a * 2), m.b * 2), m.a * 2)

    ones = torch.ones(3, 3, 1, 1)
    found = [call for call in known(buffers, a=nn.Buffer(ones), b=nn.Buffer(ones.clone())).calls if call.is_conv]
    assert recipe(found[0].inputs[1]) == recipe(found[1].inputs[1])
    assert [found[0].key == call.key for call in found] == [True, False, True]

    def written(m: Any, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            x = F.conv2d(x, torch.tensor([[1.0, 2.0, 3.0]] * 3)[..., None, None] * 2)
        return x

    kernels = [call.inputs[1] for call in known(written).calls if call.is_conv]
    assert recipe(kernels[0]) == recipe(kernels[1])
    assert [older_sources(kernel) for kernel in kernels] == [frozenset(), frozenset()]


@pytest.mark.parametrize(
    ("make", "is_random"),
    [
        (lambda: torch.arange(3).flip(0), False),
        (lambda: torch.randperm(3)[:2] + 1, True),
        (lambda: torch.empty(3).uniform_().argsort(), True),
        (lambda: torch.zeros(3).bernoulli(0.5).bool(), True),
    ],
)
def test_what_random_numbers_make_is_drawn(make: Callable[[], torch.Tensor], is_random: bool) -> None:
    found = known(lambda m, x: x.index_select(1, make().long() % 3))
    (call,) = (call for call in found.calls if call.op == "index_select")
    assert is_drawn(call.inputs[1]) is is_random


@given(st.lists(st.integers(1, 3), max_size=5), st.integers(0, 3))
def test_leading_ones_are_left_out_and_nothing_else(shape: list[int], ones: int) -> None:
    found = without_leading_ones((*[1] * ones, *shape))
    assert found == without_leading_ones(tuple(shape))
    assert not found or found[0] != 1
    assert tuple(shape)[len(shape) - len(found) :] == found


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ((2, None), (2, None), True),
        (([1, 2],), ((1, 2),), True),
        ((1j,), (2j,), False),
        ((torch.float32,), (torch.int8,), False),
        ((torch.zeros(1),), (torch.ones(1),), True),
        ((True,), (1,), True),
    ],
)
def test_a_step_is_told_by_its_numbers_and_not_by_its_tensors(
    one: tuple[Any, ...], other: tuple[Any, ...], are_same: bool
) -> None:
    assert (step_of("op", one, {}) == step_of("op", other, {})) == are_same
    assert (step_of("op", (), {"b": one, "a": 1}) == step_of("op", (), {"a": 1, "b": other})) == are_same
