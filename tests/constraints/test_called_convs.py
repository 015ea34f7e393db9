"""Convolutions that a forward pass calls as functions: with which arguments, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.called_convs import Calls, watched
from tests.constraints.written import Written

W = torch.zeros(8, 2, 3, 5)
IMAGE = torch.zeros(1, 8, 16, 16)


def called(run: Callable[..., Any], image: torch.Tensor = IMAGE, **parts: nn.Module) -> Calls:
    model = Written(run, **parts).eval()
    with watched(model) as found:
        model(image)
    return found


@pytest.mark.parametrize(
    ("run", "stride", "padding", "dilation"),
    [
        (lambda m, x: F.conv2d(x, W, groups=4), (1, 1), (0, 0), (1, 1)),
        (lambda m, x: F.conv2d(x, W, None, 2, 1, 2, 4), (2, 2), (1, 1), (2, 2)),
        (lambda m, x: F.conv2d(x, W, None, [2], (1,), [2], 4), (2, 2), (1, 1), (2, 2)),
        (lambda m, x: F.conv2d(x, W, stride=(1, 2), padding=[0, 1], dilation=(2, 1), groups=4), (1, 2), (0, 1), (2, 1)),
        (lambda m, x: torch.conv2d(input=x, weight=W, groups=4, padding=1), (1, 1), (1, 1), (1, 1)),
    ],
)
def test_arguments_are_one_number_an_axis(
    run: Callable[..., Any], stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...]
) -> None:
    (call,) = called(run)
    assert call is not None
    assert (call.function, call.number, call.bias, call.groups) == ("conv2d", 0, None, 4)
    assert (call.kernel_size, call.in_channels, call.out_channels) == ((3, 5), 8, 8)
    assert (call.stride, call.padding, call.dilation) == (stride, padding, dilation)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_padding_may_be_a_word_and_a_map_have_other_axes(axes: int) -> None:
    weight, bias = torch.zeros(4, 8, *[3] * axes), torch.zeros(4)
    function = getattr(F, f"conv{axes}d")
    (call,) = called(lambda m, x: function(x, weight, bias, padding="same"), torch.zeros(1, 8, *[8] * axes))
    assert call is not None
    assert (call.function, call.padding, call.stride) == (f"conv{axes}d", "same", (1,) * axes)
    assert call.bias is bias


def test_layers_of_torch_are_told_apart_and_do_not_count() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(m.layer(F.conv2d(x, W, groups=4)), W, groups=4)

    found = called(run, layer=nn.Conv2d(8, 8, 3))
    assert [None if call is None else call.number for call in found] == [0, None, 1]


def test_only_the_latest_forward_pass_is_recorded() -> None:
    model = Written(lambda m, x: F.conv2d(x, W, groups=4) if x.shape[-1] > 8 else x)
    with watched(model) as found:
        model(IMAGE)
        model(IMAGE)
        assert len(found) == 1
        model(IMAGE[..., :8, :8])
        assert found == []
        model(IMAGE)
    model(IMAGE[..., :8, :8])
    assert len(found) == 1, "nothing is recorded behind the block"


def test_the_model_has_its_own_forward_method_again() -> None:
    model = nn.Conv2d(3, 3, 1)
    with watched(model):
        assert "forward" in vars(model)
    with pytest.raises(ZeroDivisionError), watched(model):
        raise ZeroDivisionError
    assert "forward" not in vars(model)
    own = model.forward = lambda x: x  # type: ignore[method-assign,assignment]  # as some code does
    with watched(model):
        pass
    assert vars(model)["forward"] is own


def test_a_transposed_convolution_is_none_of_them() -> None:
    assert called(lambda m, x: F.conv_transpose2d(x, torch.zeros(8, 2, 3, 3))) == []
