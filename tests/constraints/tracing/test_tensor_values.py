"""The values of a run's tensors: writes in place, memory that is shared, and tensors that no operation made."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.constraints.tracing.known import CONV, WIDE, known, sizes


def test_a_write_in_place_is_followed_through_views() -> None:
    def half(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[:, :, :4] = m.b(x)[:, :, :4]
        return y

    assert sizes(known(half, b=WIDE)) == [5, 5]

    def border(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(1, 3, 8, 8)
        y[:, :, 3:] = m.a(x)[:, :, 3:]
        y[:, :, :3] = m.b(x)[:, :, :3]  # rows whose windows of 5 all reach the first one, so that none is inside
        return y

    assert sizes(known(border, a=CONV, b=WIDE)) == [3, 5]


def test_a_view_shares_the_memory_of_its_base_and_a_copy_does_not() -> None:
    def run(m: Any, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = m.a(x)
        return y, y[:, 1:], y.clone()

    base, view, copy = known(run, a=CONV).outputs
    assert view.storage is base.storage
    assert copy.storage is not base.storage
    assert base.storage is not None
    assert base.storage.size_bytes == 3 * 8 * 8 * 4  # float32


@pytest.mark.parametrize(("shape", "is_reused"), [((1, 3, 8, 8), True), ((1, 1, 8, 8), False)])
def test_the_result_of_an_elementwise_operation_may_reuse_an_operand_of_its_shape(
    shape: tuple[int, ...], is_reused: bool
) -> None:
    found = known(lambda m, x: m.a(x) + torch.ones(shape), a=CONV)
    storage = found.outputs[0].storage
    assert storage is not None
    assert len(storage.operands) == 1 + is_reused  # the convolution's result, and the constant of the same shape


def test_a_weight_computed_of_parameters_names_them() -> None:
    found = known(
        lambda m, x: F.conv2d(x, m.w * m.v), w=nn.Parameter(torch.ones(3, 3, 1, 1)), v=nn.Parameter(torch.ones(1))
    )
    (conv,) = found.calls
    assert conv.inputs[1].params == {"w", "v"}
    assert conv.inputs[1].storage is None


def test_uninitialised_memory_is_unknown_unless_it_is_empty() -> None:
    found = known(lambda m, x: (torch.empty(1, 3, 8, 8), torch.empty(0, 3, 8, 8), torch.zeros(1, 3, 8, 8)))
    blank, empty, zeros = found.outputs
    assert blank.flow.poison == {"empty: memory that no recorded operation wrote to"}
    assert not empty.depends
    assert not zeros.depends
