"""Which layer each call belongs to, and where parameters are charged."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.constraints.tracing.known import CONV, known


def test_parameters_are_charged_to_the_first_call_that_uses_them() -> None:
    found = known(lambda m, x: m.a(m.a(x)), a=CONV)
    assert [call.params for call in found.calls] == [3 * 27 + 3, 0]
    assert found.calls[0].key == found.calls[1].key
    tied = known(lambda m, x: F.conv2d(F.conv2d(x, m.w), m.w * 2), w=nn.Parameter(torch.zeros(3, 3, 1, 1)))
    assert [call.params for call in tied.calls] == [9, 0]


def test_a_kernel_is_one_layer_with_a_bias_and_without() -> None:
    found = known(lambda m, x: F.conv2d(m.a(x), m.a.weight, padding=1), a=CONV)
    assert [call.params for call in found.calls] == [3 * 27 + 3, 0]
    assert found.calls[0].key == found.calls[1].key


def test_weights_computed_from_parameters_are_charged_and_make_no_call() -> None:
    found = known(
        lambda m, x: F.conv2d(x, m.g * m.v / m.v.norm()),
        g=nn.Parameter(torch.ones(3, 1, 1, 1)), v=nn.Parameter(torch.ones(3, 3, 1, 1)),
    )  # fmt: skip
    assert [(call.label, call.params) for call in found.calls] == [("conv2d", 3 + 9)]


@pytest.mark.parametrize(
    ("run", "names"),
    [
        (lambda m, x: F.relu(m.a(x)), ["a", "relu"]),
        (lambda m, x: m.s(x), ["s.0", "s.1"]),
        (lambda m, x: F.conv2d(x, m.a.weight), ["conv2d"]),
    ],
)
def test_calls_are_named_by_their_module_or_their_function(run: Callable[..., Any], names: list[str]) -> None:
    found = known(run, a=CONV, s=nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    assert [call.name_or_label for call in found.calls] == names


BANK = nn.Parameter(torch.arange(4 * 27.0).reshape(4, 3, 3, 3, 1) + 1)


@pytest.mark.parametrize(
    ("kernels", "layers"),
    [
        (lambda w: (w[0], w[1]), 2),
        (lambda w: (w[0], w[0]), 1),
        (lambda w: w.unbind()[1:], 3),
        (lambda w: (*w[:2].unbind(), w[1]), 3),
        (lambda w: (w[0].transpose(2, 3), w[0].transpose(2, 3)), 1),
        (lambda w: (w[0], w[0].sum(2, keepdim=True)), 2),
        (lambda w: (w[0], w[0].flip(2), w[0].flip(2)), 2),
        (lambda w: (w[0], w[0].detach(), w[0].clone(), w[0].contiguous(), w[0].view(3, 3, 3, 1)), 1),
        (lambda w: (w[0] * 0.5, w[0] * 0.5, w[0] * 2), 2),
    ],
)
def test_other_parts_of_a_parameter_are_other_layers_and_the_same_one_is_one(
    kernels: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], layers: int
) -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        for kernel in kernels(m.w):
            x = F.conv2d(x, kernel, padding="same")
        return x

    found = known(run, w=nn.Parameter(BANK.detach().clone()))
    convs = [call for call in found.calls if call.is_conv]
    assert len({call.key for call in convs}) == layers
    assert sum(call.params for call in convs) == BANK.numel()


def test_parts_of_one_weight_are_other_linear_layers() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        q, k = m.w.chunk(2)
        return F.linear(F.linear(F.linear(x, q), k), q)

    found = known(run, w=nn.Parameter(torch.ones(16, 8)))
    assert len({call.key for call in found.calls}) == 2


def test_a_kernel_of_many_operations_is_known_as_soon_as_one_of_few() -> None:
    """Each doubling uses the result before twice: written out in full, its origin would have 2^200 parts."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        w = m.w
        for _ in range(200):
            w = w + w
        return F.conv2d(F.conv2d(x, w), w)

    found = known(run, w=nn.Parameter(torch.ones(3, 3, 1, 1)))
    assert len({call.key for call in found.calls}) == 1
