"""The numbers by which operations pick indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracing.index_numbers import indices_among
from tests.constraints.tracing.known import known, sizes

NUMBERS = torch.tensor([3, -1, 0])


@pytest.mark.parametrize(
    ("tensor", "numbers"),
    [
        (NUMBERS, [3, -1, 0]),
        (NUMBERS.int(), [3, -1, 0]),
        (torch.empty(0, dtype=torch.int64), []),
        (NUMBERS > 0, [0]),
        (NUMBERS < 9, [0, 1, 2]),
        (NUMBERS[None], None),
        (NUMBERS[0], None),
        (NUMBERS.float(), None),
        (NUMBERS.to(torch.uint8), None),
        (NUMBERS.to("meta"), None),
        (torch.arange(5000), None),
    ],
)
def test_indices_are_whole_numbers_or_a_mask_along_one_axis(tensor: torch.Tensor, numbers: list[int] | None) -> None:
    assert indices_among([torch.zeros(1, 1), [None, tensor], 2]) == [None, numbers]


BRANCHES: dict[str, nn.Module | nn.Buffer] = {
    "a": nn.Conv2d(3, 2, 3, padding=1), "b": nn.Conv2d(3, 2, 5, padding=2), "i": nn.Buffer(torch.arange(4)),
}  # fmt: skip
"""Channels 0 and 1 of both see 3 pixels, channels 2 and 3 see 5."""
CHOSEN: dict[str, tuple[Callable[[Any], Any], int | None]] = {
    "a list": (lambda m: [1, 0], 3),
    "a buffer": (lambda m: m.i[:2], 3),
    "a range": (lambda m: torch.arange(2), 3),
    "computed": (lambda m: torch.arange(2) * 2 + 1, 5),
    "moved": (lambda m: torch.arange(4).view(2, 2).t().reshape(-1)[:2], 5),
    "from behind": (lambda m: torch.arange(4).flip(0)[:2], 5),
    "put together": (lambda m: torch.cat([m.i[1:2], m.i[:1]]), 3),
    "a mask": (lambda m: torch.tensor([False, True, False, False]), 3),
    "a mask that is computed": (lambda m: m.i < 2, 3),
    "places of a mask": (lambda m: (m.i > 1).nonzero().flatten(), 5),
    "an order": (lambda m: torch.tensor([1.0, 0.0, 3.0, 2.0]).argsort()[:2], 3),
    "32 bits": (lambda m: m.i[:2].int(), 3),
    "drawn": (lambda m: torch.randperm(4)[:2], None),
    "drawn in place": (lambda m: torch.empty(4).uniform_() < 0.5, None),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_channels_see_what_the_chosen_ones_see(name: str) -> None:
    choose, field = CHOSEN[name]
    found = known(lambda m, x: torch.cat([m.a(x), m.b(x)], 1)[:, choose(m)], **BRANCHES)
    if field:
        assert sizes(found) == [field, field]
    else:
        assert all(view is not None and "picked by an index" in view.unknown for view in found.outputs[0].views)


def test_an_index_that_depends_on_the_input_is_not_known() -> None:
    found = known(lambda m, x: torch.cat([m.a(x), m.b(x)], 1)[:, x.argmax(1).flatten()[:2]], **BRANCHES)
    (call,) = (call for call in found.calls if call.op == "index")
    assert call.indices == [None, None]


ROWS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], int]] = {
    "a list": (lambda y: y[[0]], 3),
    "a mask": (lambda y: y[torch.tensor([False, True])], 5),
    "an index": (lambda y: y.index_select(0, torch.tensor([0])), 3),
    "turned round": (lambda y: y.flip(0)[:1], 5),
    "moved": (lambda y: y.roll(1, 0)[1:], 3),
    "channels again": (lambda y: y.reshape(1, 4, 8, 8)[:, :2], 3),
    "channels again, in another order": (lambda y: y[[1, 0]].reshape(1, 4, 8, 8)[:, :2], 5),
    "all of them": (lambda y: y[[1, 0]].reshape(1, 4, 8, 8)[:, 1:3], 5),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_the_batch_that_were_channels_see_what_they_saw(name: str) -> None:
    pick, field = ROWS[name]
    found = known(lambda m, x: pick(torch.cat([m.a(x), m.b(x)], 1).reshape(2, 2, 8, 8)), **BRANCHES)
    assert sizes(found) == [field, field]


def test_rows_that_a_constant_gathers_are_not_known() -> None:
    index = torch.zeros(1, 2, 8, 8, dtype=torch.int64)
    found = known(lambda m, x: torch.cat([m.a(x), m.b(x)], 1).reshape(2, 2, 8, 8).gather(0, index), **BRANCHES)
    assert all(view is not None and view.unknown for view in found.outputs[0].views)
