"""The fields of tensors that are assembled from parts, where later parts cover earlier ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from constraints.receptive_field import Field
from constraints.tracer import trace
from constraints.tracing.assembling import ROWS_APART, assembled, of_rows
from constraints.tracing.axes import Digit, View
from constraints.tracing.values import Flow, Part, Value
from tests.constraints.written import Written

SHAPE = (1, 4, 8, 8)


def views(reach: int, batch: int = 0) -> tuple[View, View]:
    """A map whose units see ``reach`` pixels to both sides, moved by ``batch`` pixels."""
    field = Field(1, (batch - reach,), (batch + reach,))
    return View(field, (Digit(2, 1, 8, 1),), extent=8), View(field, (Digit(3, 1, 8, 1),), extent=8)


def part(region: dict[int, range], reach: int) -> Part:
    return Part(region, views(reach), Flow(object()))


def sizes(found: tuple[View | None, ...]) -> list[int | None]:
    return [None if v is None else v.size for v in found]


def test_parts_in_other_channels_see_as_the_one_that_sees_most() -> None:
    found, _, parts = assembled([part({1: range(2)}, 1), part({1: range(2, 4)}, 3)], SHAPE)
    assert sizes(found) == [7, 7]
    assert len(parts) == 2


def test_what_is_hidden_is_not_seen() -> None:
    found, flow, parts = assembled([part({1: range(2)}, 9), top := part({}, 1)], SHAPE)
    assert sizes(found) == [3, 3]
    assert (flow, parts) == (top.flow, ())


def test_what_was_pooled_beside_a_map_is_a_gate() -> None:
    pooled = tuple(v._replace(digits=(), pooled="mean") for v in views(1))
    found, flow, _ = assembled([part({1: range(2)}, 1), Part({1: range(2, 4)}, pooled, Flow(object()))], SHAPE)
    assert (sizes(found), flow.context) == ([3, 3], True)


def test_rows_of_a_batch_may_see_apart() -> None:
    rows = [Part({0: range(i, i + 1)}, views(1, batch=4 * i), Flow(object())) for i in range(2)]
    shape = (2, *SHAPE[1:])
    found, flow, parts = assembled(rows, shape)
    assert all(v is not None and v.blurred == ROWS_APART for v in found)
    assert sizes(of_rows(Value(shape, found, flow, None, parts=parts))) == [3, 3]


def test_places_of_a_map_at_indices_of_their_own_are_a_map() -> None:
    picked = [
        Part({2: range(i, i + 1)}, (View(Field(1, (i - 1,), (i + 1,)), (), extent=8),), Flow(object()))
        for i in range(8)
    ]
    (found,), _, _ = assembled(picked, SHAPE[:3])
    assert found is not None
    assert (found.digits, found.size) == ((Digit(2, 1, 8, 1),), 3)


def shifted_by_slices(y: torch.Tensor, steps: int) -> torch.Tensor:
    """Four groups of channels, each moved by some places in another direction."""
    found = torch.zeros_like(y)
    found[:, :1, steps:] = y[:, :1, :-steps]
    found[:, 1:2, :-steps] = y[:, 1:2, steps:]
    found[:, 2:3, :, steps:] = y[:, 2:3, :, :-steps]
    found[:, 3:, :, :-steps] = y[:, 3:, :, steps:]
    return found


@pytest.mark.parametrize("steps", [1, 2])
def test_groups_of_channels_that_are_shifted_along_both_axes_see_to_all_sides(steps: int) -> None:
    parts = {"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(4, 4, 1)}
    found = trace(Written(lambda m, x: m.b(shifted_by_slices(m.a(x), steps)), **parts), (3, 16, 16))
    assert found.metrics.receptive_field_hw == (3 + 2 * steps, 3 + 2 * steps)


def test_maps_of_different_rows_beside_each_other_are_not_known() -> None:
    """The left half sees three rows below its own, the right half three rows above: no unit sees both."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y, found = m.a(x), torch.zeros(1, 4, 16, 16)
        found[:, :, 3:, :8] = y[:, :, :-3, :8]
        found[:, :, :-3, 8:] = y[:, :, 3:, 8:]
        return found * 1

    found = trace(Written(run, a=nn.Conv2d(3, 4, 3, padding=1)), (3, 16, 16)).metrics
    assert found.receptive_field_hw is None
