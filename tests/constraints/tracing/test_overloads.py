"""What is read off an operator's schema."""

from typing import Any

import pytest
import torch

from constraints.tracing.overloads import is_laid_out_as, looked_up

ATEN: Any = torch.ops.aten


@pytest.mark.parametrize(
    ("func", "places"),
    [
        (ATEN.conv2d.default, (0, 1, 2)),
        (ATEN.batch_norm.default, (0, 1, 2, 3, 4)),
        (ATEN.cat.default, (0,)),
        (ATEN.index.Tensor, (0, 1)),  # a tensor and a list of tensors or None
        (ATEN.add.Scalar, (0,)),
        (ATEN.rand.generator, ()),
    ],
)
def test_only_arguments_whose_type_says_so_are_or_hold_tensors(func: Any, places: tuple[int, ...]) -> None:
    assert looked_up(func).tensors == places


def test_shapes_and_axes_are_no_operands() -> None:
    assert looked_up(ATEN.add.Scalar).operands == {0, 1, 2}
    assert looked_up(ATEN.sum.dim_IntList).operands == {0}


def test_an_operator_is_looked_up_once() -> None:
    assert looked_up(ATEN.relu.default) is looked_up(ATEN.relu.default)
    assert looked_up(ATEN.relu.default) is not looked_up(ATEN.relu_.default)


def test_what_is_written_to_is_named_by_place_or_by_name() -> None:
    assert (looked_up(ATEN.add_.Tensor).op, looked_up(ATEN.add_.Tensor).writes) == ("add", (0,))
    assert looked_up(ATEN.add.out).writes == ("out",)
    assert looked_up(ATEN.batch_norm.default).keeps_statistics
    assert not looked_up(ATEN.relu.default).keeps_statistics


def test_operators_of_others_and_unknown_ones_may_hide_products() -> None:
    assert looked_up(ATEN.linalg_cross.default).hides
    assert not looked_up(ATEN.cumsum.default).hides
    assert not looked_up(ATEN.mm.default).hides


def test_a_stride_along_one_index_says_nothing_of_the_layout() -> None:
    x = torch.zeros(1, 2, 3)
    assert is_laid_out_as(x, (1, 2, 3), (99, 3, 1))
    assert not is_laid_out_as(x, (1, 2, 3), (6, 1, 2))
    assert not is_laid_out_as(x, (1, 2, 2), (6, 3, 1))
