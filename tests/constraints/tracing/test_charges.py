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


TOP = torch.zeros(3, 3)
TOP[0] = 1
BELOW = torch.ones(3, 3) - TOP


def _without(w: torch.Tensor, *rows: int) -> torch.Tensor:
    copy = w.clone()
    for row in rows:
        copy[:, :, row] = 0
    return copy


def _together(*parts: torch.Tensor) -> torch.Tensor:
    whole = torch.zeros(3, 3, 3, 3)
    for at, part in enumerate(parts):
        whole[at : at + 1] = part
    return whole


@pytest.mark.parametrize(
    ("kernels", "layers"),
    [
        (lambda m: (m.w[torch.tensor([0, 1, 2])], m.w[torch.tensor([2, 1, 0])], m.w[torch.tensor([2, 1, 0])]), 2),
        (lambda m: (m.w[[0, 1, 2]], m.w[torch.arange(3)], m.w[torch.arange(3).flip(0)]), 3),
        (lambda m: (m.w * m.top, m.w * m.below, m.w * m.below), 2),
        (lambda m: (m.w * m.top, m.w * m.same), 1),
        (lambda m: (m.w * m.both[0], m.w * m.both[1], m.w * m.both[1]), 2),
        (lambda m: (m.w * (m.top > 0), m.w * (m.top <= 0)), 2),
        (lambda m: (m.w * m.top, m.w * m.top[None], m.w * m.top.t()), 2),
        (lambda m: (m.w + torch.zeros(3, 3), m.w + torch.ones(3, 3), m.w + torch.ones(3, 3)), 2),
        (lambda m: tuple(m.w * torch.ones(3, 3).tril(d) for d in (-1, 0, 1, 1)), 3),
        (lambda m: tuple(m.w.gather(2, torch.full((3, 3, 3, 3), d)) for d in (0, 1, 1)), 2),
        (lambda m: (m.w.masked_fill(m.top > 0, 0.0), m.w.masked_fill(m.below > 0, 0.0)), 2),
        (lambda m: (_without(m.w, 0), _without(m.w, 2), _without(m.w, 0)), 2),
        (lambda m: (_without(m.w, 0, 1), _without(m.w, 2, 1)), 2),
        (lambda m: (_together(*m.w), _together(*m.w.flip(0)), _together(*m.w)), 2),
        (lambda m: (m.top.expand(3, 3, 3, 3), m.same.expand(3, 3, 3, 3), m.top.expand(3, 3, 3, 3)), 2),
        (lambda m: (torch.ones(3, 3, 3, 3), torch.ones(3, 3, 3, 3), torch.zeros(3, 3, 3, 3)), 2),
    ],
)  # fmt: skip
def test_constants_tell_kernels_apart_by_their_elements(
    kernels: Callable[[Any], tuple[torch.Tensor, ...]], layers: int
) -> None:
    """Of one parameter with other constants there are other kernels; equal buffers that are kernels are two."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        for kernel in kernels(m):
            x = F.conv2d(x, kernel, padding=1)
        return x

    found = known(
        run, w=nn.Parameter(torch.rand(3, 3, 3, 3)), top=nn.Buffer(TOP), same=nn.Buffer(TOP.clone()),
        below=nn.Buffer(BELOW), both=nn.Buffer(torch.stack([TOP, BELOW])),
    )  # fmt: skip
    assert len({call.key for call in found.calls if call.is_conv}) == layers


def test_one_parameter_is_another_layer_in_another_shape_and_where_an_attribute_holds_another_part() -> None:
    w = nn.Parameter(torch.zeros(2, 3, 3, 3, 1))

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        for kernel in (w.data[0], w.data[1], w.data[1], w.data[0].view(3, 3, 1, 3)):
            x = F.conv2d(x, kernel, padding="same")
        for kernel in kept:
            x = F.conv2d(x, kernel, padding="same")
        return x

    kept = [w.data[0], w.data[1], w.data[1]]
    found = known(run, w=w)
    assert len({call.key for call in found.calls[:4]}) == 3
    assert len({call.key for call in found.calls[4:]}) == 2
    assert sum(call.params for call in found.calls) == w.numel()


def test_parameters_written_into_one_kernel_are_all_charged_to_it() -> None:
    found = known(
        lambda m, x: F.conv2d(x, _together(m.a, m.b)),
        a=nn.Parameter(torch.rand(1, 3, 3, 3)), b=nn.Parameter(torch.rand(1, 3, 3, 3)),
    )  # fmt: skip
    assert [call.params for call in found.calls if call.is_conv] == [27 + 27]


def test_a_kernel_of_many_operations_is_known_as_soon_as_one_of_few() -> None:
    """Each doubling uses the result before twice: written out in full, its origin would have 2^200 parts."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        w = m.w
        for _ in range(200):
            w = w + w
        return F.conv2d(F.conv2d(x, w), w)

    found = known(run, w=nn.Parameter(torch.ones(3, 3, 1, 1)))
    assert len({call.key for call in found.calls}) == 1
