"""Tensors that share memory: what is written through one of them, the others see when they are read."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.tracer import trace
from tests.constraints.written import Written

Run = Callable[[Any, torch.Tensor], Any]


def field(run: Run) -> Any:
    model = Written(run, a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(3, 4, 9, padding=4))
    return trace(model, (3, 16, 16)).metrics.receptive_field_hw


def stale(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    left, right = y.chunk(2, 1)
    y += m.b(x)
    return torch.cat([right, left], 1)


def a_view_of_a_view(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    inner = y[:, 1:].permute(0, 2, 3, 1)[..., :2]
    y.copy_(m.b(x))
    return inner.permute(0, 3, 1, 2) * 1.0


def through_a_permutation(m: Any, x: torch.Tensor) -> Any:
    y = torch.zeros(1, 4, 16, 16)
    y.permute(0, 2, 3, 1)[..., 2:].copy_(m.b(x).permute(0, 2, 3, 1)[..., 2:])
    return y


def through_a_reshape(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    y.view(1, 4, 256)[:, 1] += m.b(x).view(1, 4, 256)[:, 2]
    return y


def out(m: Any, x: torch.Tensor) -> Any:
    y = x.new_empty(1, 8, 16, 16)
    torch.cat([m.a(x), m.b(x)], 1, out=y)
    return y


def data(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    y.data.add_(m.b(x))
    return y


def set_data(m: Any, x: torch.Tensor) -> Any:
    y = torch.empty(1, 4, 16, 16)
    y.data = m.b(x)
    return y


WRITES: list[Run] = [stale, a_view_of_a_view, through_a_permutation, through_a_reshape, out, data, set_data]


@pytest.mark.parametrize("run", WRITES)
def test_a_write_is_seen_by_all_that_share_its_memory(run: Run) -> None:
    assert field(run) == (9, 9)


def test_a_transposed_write_lands_along_the_other_axis() -> None:
    def turned(m: Any, x: torch.Tensor) -> Any:
        y = torch.zeros(1, 3, 16, 16)
        y.transpose(2, 3).copy_(F.avg_pool2d(x, (1, 5), 1, (0, 2)))
        return F.avg_pool2d(y, (3, 1), 1, (1, 0))

    def turned_back(m: Any, x: torch.Tensor) -> Any:
        y = torch.zeros(1, 3, 16, 16)
        y.transpose(2, 3).copy_(F.avg_pool2d(x, (1, 5), 1, (0, 2)).transpose(2, 3))
        return F.avg_pool2d(y, (3, 1), 1, (1, 0))

    assert field(turned) == (1, 7)  # the columns of the input are rows now, of which 3 are averaged
    assert field(turned_back) == (3, 5)


def test_a_view_of_another_part_is_left_as_it_was() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        kept = y[:, :2]
        y[:, 2:] = m.b(x)[:, 2:]
        return kept * 1.0

    assert field(run) == (3, 3)


def test_a_write_through_a_diagonal_is_unknown() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        y.diagonal(0, 2, 3).mul_(m.b(x).diagonal(0, 2, 3))
        return y

    assert field(run) is None


def test_a_write_of_nothing_hides_what_was_there() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.b(x)
        y.zero_()
        return y + m.a(x)

    assert field(run) == (3, 3)


def test_memory_that_no_operation_wrote_to_is_unknown() -> None:
    assert field(lambda m, x: m.a(x) + torch.empty(1, 4, 16, 16)) is None
    assert field(lambda m, x: m.a(x) + torch.empty(1, 4, 16, 16).fill_(1.0)) == (3, 3)
    assert field(lambda m, x: torch.cat([m.a(x), torch.empty(0)], 1)) == (3, 3)
