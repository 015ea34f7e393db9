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
