"""Facts of special operands: kernels with zeros at an end, and tensors made of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracing.handles import MADE_OF_NUMBERS, MADE_OF_READ, Handle
from constraints.tracing.recorder import record
from constraints.tracing.registry import Fixed
from constraints.tracing.run import Run
from tests.constraints.written import Written

Made = Callable[[torch.Tensor], torch.Tensor]


def recorded(run: Callable[..., Any], *, seed: int = 0) -> Run:
    model = Written(run, w=nn.Parameter(torch.ones(3, 3, 3, 3))).eval()
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return record(model, dict(model.named_modules()), [image])


def kernel_of(make: Made) -> Handle:
    """The handle of a kernel that a forward pass makes from its parameter of ones."""
    run = recorded(lambda m, x: F.conv2d(x, make(m.w), padding="same"))
    (conv,) = (o for o in run.operations if "conv" in o.operator.op)
    kernel = conv.args[1]
    assert isinstance(kernel, Handle)
    return kernel


def masked(rows: list[int], columns: list[int], *, channel: int | None = None) -> Made:
    """A kernel with zeros in some rows and columns, of one output channel or of all."""
    mask = torch.ones(3, 3, 3, 3)
    part = mask if channel is None else mask[channel]
    part[..., rows, :] = 0
    part[..., columns] = 0
    return lambda w: w * mask


@pytest.mark.parametrize(
    ("make", "bordered"),
    [
        (masked([], []), [False, False]),
        (masked([0], []), [True, False]),
        (masked([2], []), [True, False]),
        (masked([1], [1]), [False, False]),
        (masked([0, 2], [2]), [True, True]),
        (masked([1, 2], [1, 2]), [True, True]),
        (masked([2], [0], channel=1), [False, False]),
        (lambda w: w.sum((2, 3), keepdim=True), [False, False]),
        (lambda w: w * 0, []),
        (lambda w: w * float("nan"), [False, False]),
    ],
)
def test_an_axis_is_bordered_where_every_channel_has_zeros_at_an_end(make: Made, bordered: list[bool]) -> None:
    assert list(kernel_of(make).bordered) == bordered


def test_a_parameter_is_inspected_only_where_the_run_has_written_to_it() -> None:
    def written(w: torch.Tensor) -> torch.Tensor:
        w.detach()[:, :, 2] = 0
        return w

    assert list(kernel_of(written).bordered) == [True, False]
    weight = torch.zeros(3, 3, 3, 3)
    weight[:, :, 0] = 1
    model = Written(lambda m, x: F.conv2d(x, m.w), w=nn.Parameter(weight))
    (conv,) = record(model, dict(model.named_modules()), [torch.zeros(1, 3, 8, 8)]).operations
    assert list(conv.args[1].bordered) == [], "its zeros are trained"


def test_a_kernel_that_a_parameter_of_zeros_made_is_as_the_trained_one_would_be() -> None:
    run = recorded(lambda m, x: F.conv2d(x, (m.w * 0 + 1) * torch.tensor([1.0, 1.0, 0.0]), padding=1))
    (conv,) = (o for o in run.operations if "conv" in o.operator.op)
    assert list(conv.args[1].bordered) == [False, True]


def constant(make: Callable[[float], torch.Tensor], read: Callable[[torch.Tensor], Any]) -> Handle:
    """The handle of a tensor that a forward pass makes of a number that it read, or of others."""

    def run(_: Any, x: torch.Tensor) -> torch.Tensor:
        return x * make(read(x))

    made = [o for o in recorded(run).operations if o.operator.op == "mul"]
    handle = made[0].args[1]
    assert isinstance(handle, Handle)
    return handle


def nothing(_: torch.Tensor) -> float:
    return 0.0


def mean(x: torch.Tensor) -> float:
    return x.mean().item()


@pytest.mark.parametrize(
    ("make", "read", "source"),
    [
        (lambda n: torch.tensor([0.5] * 8), nothing, ""),
        (lambda n: torch.tensor([n] * 8), nothing, ""),
        (lambda n: torch.tensor([n] * 8), mean, MADE_OF_READ),
        (lambda n: torch.tensor([-n] * 8), mean, MADE_OF_READ),
        (lambda n: torch.tensor([n + 1] * 8), mean, MADE_OF_NUMBERS),
        (lambda n: torch.tensor([n] * 7 + [0.5]), mean, MADE_OF_NUMBERS),
        (lambda n: torch.tensor([0.5] * 8), mean, MADE_OF_NUMBERS),
        (lambda n: torch.tensor([3] * 8), mean, ""),
        (lambda n: torch.tensor([3] * 8), lambda x: int(x.argmax()), MADE_OF_NUMBERS),
    ],
)
def test_where_a_tensor_of_numbers_comes_from(
    make: Callable[[float], torch.Tensor], read: Callable[[torch.Tensor], Any], source: str
) -> None:
    assert constant(make, read).source == source


@pytest.mark.parametrize(
    ("number", "value"),
    [(torch.tensor(2.5), 2.5), (torch.tensor([True]), 1.0), (torch.tensor([[7]]), 7.0), (torch.tensor(2j), None)],
)
def test_a_tensor_of_one_number_is_that_number(number: torch.Tensor, value: float | None) -> None:
    assert constant(lambda n: torch.tensor(number.tolist()), nothing).number == value


def test_a_constant_is_read_as_it_was_before_it_was_written_to() -> None:
    def run(_: Any, x: torch.Tensor) -> torch.Tensor:
        made = torch.tensor([1, 2])
        x = x + made.sum()
        made[0] = 9
        return x * made.sum()

    first = next(o for o in recorded(run).operations if o.operator.op == "sum").args[0]
    assert first.content.digest() == Fixed(torch.tensor([1, 2])).digest()


@pytest.mark.parametrize(
    ("size", "stride", "is_alias"),
    [
        ((1, 3, 8, 8), (192, 64, 8, 1), True),
        ((1, 3, 8, 8), (192, 64, 1, 8), False),
        ((1, 3, 4, 8), (192, 64, 16, 1), False),
    ],
)
def test_a_layout_that_is_the_tensors_own_is_no_operation(
    size: tuple[int, ...], stride: tuple[int, ...], is_alias: bool
) -> None:
    (found,) = recorded(lambda _, x: x.as_strided(size, stride)).operations
    assert found.operator.op == ("alias" if is_alias else "as_strided")
