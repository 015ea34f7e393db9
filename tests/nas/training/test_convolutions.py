"""Convolutions on sub-grids and in two types against torch's own in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.faults import is_ours
from nas.training import convolutions
from nas.training.precision import Precision, autocast

CPU = torch.device("cpu")
TOLERANCES: dict[Precision, float] = {"float32": 1e-5, "bfloat16": 0.03}
"""Of the largest value; bfloat16 has 8 bits, and a weight's gradient is a sum over all places."""


def results(conv: nn.Conv2d, images: torch.Tensor, precision: Precision | None) -> list[torch.Tensor]:
    """The result of a layer and the gradients of its input, weights and bias for one that is drawn."""
    torch.manual_seed(1)
    images = images.clone().requires_grad_()
    conv.zero_grad()
    if precision is None:
        made = conv(images)
    else:
        with autocast(precision, CPU):
            made = conv(images)
            assert made.dtype == getattr(torch, precision)
    made.float().backward(torch.randn(made.shape))
    return [one.detach().float().clone() for one in (made, images.grad, *(p.grad for p in conv.parameters()))]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("capability", ["AVX512", "AVX2"])
@pytest.mark.parametrize(("filters", "groups"), [(16, 1), (16, 16), (32, 16), (16, 4)])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 5, "padding": 8, "dilation": 4},
        {"kernel_size": (3, 2), "padding": (2, 0), "dilation": (2, 1)},
        {"kernel_size": 3, "padding": 1, "dilation": 2},  # sub-grids that are padded differently
        {"kernel_size": 3, "padding": 3, "dilation": 3},  # 32 rows are no multiple of 3
        {"kernel_size": 3, "padding": 2, "dilation": 2, "stride": 2},
        {"kernel_size": 3, "padding": "same", "dilation": 2},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 3, "padding": 1, "stride": 2},
    ],
)
def test_results_and_gradients_are_those_of_float32(  # noqa: PLR0917
    options: dict[str, Any],
    filters: int,
    groups: int,
    capability: str,
    precision: Precision,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    torch.manual_seed(0)
    conv = nn.Conv2d(16, filters, groups=groups, **options).to(memory_format=torch.channels_last)
    images = torch.randn(2, 16, 32, 36).bfloat16().float().contiguous(memory_format=torch.channels_last)
    for wanted, found in zip(results(conv, images, None), results(conv, images, precision), strict=True):
        assert found.shape == wanted.shape
        bound = TOLERANCES[precision] * float(wanted.abs().max())
        torch.testing.assert_close(found, wanted, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [((1, 1), 3, 2), ((4, 1), 3, 2), ((2, 2), 5, 3), ((3, 3), 3, 4), ((2, 2), 3, 2)]
)
@pytest.mark.parametrize("groups", [1, 4])
def test_a_stride_longer_than_the_map_reads_nothing_past_it(
    size: tuple[int, int], kernel: int, stride: int, groups: int
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, kernel, stride, kernel // 2, groups=groups, bias=False)
    images = torch.randn(16, 16, *size).bfloat16().float().contiguous(memory_format=torch.channels_last)
    for _ in range(2):  # what is freed here is what would be read
        [torch.full((64 * length + 7,), torch.nan) for length in range(1, 150)]
    for wanted, found in zip(results(conv, images, None), results(conv, images, "bfloat16"), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0.03 * float(wanted.abs().max()))


@pytest.mark.parametrize("precision", TOLERANCES)
def test_functional_calls_of_any_form_are_understood(precision: Precision) -> None:
    images, weight = torch.randn(3, 8, 8), torch.randn(4, 3, 3, 3)
    with autocast(precision, CPU):
        made = [
            torch.nn.functional.conv2d(images, weight, dilation=2),
            torch.conv2d(images[None], weight=weight, dilation=(2, 2))[0],
        ]
    for one in made:
        assert one.dtype == getattr(torch, precision)
        torch.testing.assert_close(one.float(), torch.conv2d(images, weight, dilation=2), rtol=0.02, atol=0.1)


def test_a_sub_grid_is_every_nth_row_and_column_and_they_go_together_again() -> None:
    images = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    apart = convolutions._apart(images, (2, 3))
    assert torch.equal(apart[2:4], images[:, :, 0::2, 1::3])  # the second: row 0, column 1
    assert torch.equal(apart[6:8], images[:, :, 1::2, 0::3])
    assert torch.equal(convolutions._together(apart, (2, 3)), images)


@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "stride", "groups", "gains"),
    [
        (16, 16, 3, 1, 1, True),
        (1, 8, 3, 2, 1, True),  # grey images: one channel, and no depthwise layer
        (16, 16, 3, 1, 16, True),
        (16, 32, 3, 1, 16, False),
        (16, 16, 5, 1, 16, False),
        (16, 16, 3, 2, 16, False),
        (16, 16, 3, 1, 4, True),
        (16, 16, 3, 1, 8, False),
    ],
)
def test_what_is_slower_in_bfloat16_stays_in_float32(  # noqa: PLR0917
    channels: int, filters: int, kernel: int, stride: int, groups: int, gains: bool
) -> None:
    weight = torch.empty(filters, channels // groups, kernel, kernel)
    assert convolutions._gains_from_bfloat16(weight, (stride, stride), groups) is gains


@pytest.mark.parametrize("precision", TOLERANCES)
def test_an_error_of_an_operation_is_its_callers(precision: Precision) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: nn.functional.cross_entropy(torch.zeros(2, 3), None),  # type: ignore[arg-type]
        lambda: nn.functional.linear(torch.zeros(2, 3), torch.zeros(2, 4)),
        lambda: nn.functional.conv2d(torch.zeros(1, 3, 4, 4), torch.zeros(2, 4, 3, 3)),
    ]
    for call in calls:
        with pytest.raises((TypeError, RuntimeError)) as caught, autocast(precision, CPU):
            call()
        assert not is_ours(caught.value)
