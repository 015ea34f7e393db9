"""The fields of tensors that are assembled from parts, where later parts cover earlier ones."""

from __future__ import annotations

from constraints.receptive_field import Field
from constraints.tracing.assembling import ROWS_APART, assembled, of_rows
from constraints.tracing.axes import Digit, View
from constraints.tracing.values import Flow, Part, Value

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
