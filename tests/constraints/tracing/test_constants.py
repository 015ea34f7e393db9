"""Constants whose elements are all one number."""

from __future__ import annotations

from typing import Any

import pytest

from constraints.tracing.constants import filled
from constraints.tracing.values import Flow, Value


def of(fill: float | None) -> Value:
    return Value((2,), (), Flow(), None, fill=fill)


@pytest.mark.parametrize(
    ("op", "args", "fills", "number"),
    [
        ("ones", ([2],), [], 1.0),
        ("ones_like", (None,), [None], 1.0),
        ("full", ([2], 0.25), [], 0.25),
        ("new_full", (None, [2], 3), [None], 3.0),
        ("fill", (None, 0.5), [], 0.5),
        ("clone", (None,), [0.5], 0.5),
        ("mul", (None, 4), [0.5], 2.0),
        ("div", (None, 4), [0.5], 0.125),
        ("div", (None, 0), [0.5], None),
        ("add", (None, 4), [0.5], 4.5),
        ("sub", (None, 4), [0.5], -3.5),
        ("clamp", (None, 1), [0.5], 1.0),
        ("clamp", (None, 0, 0.25), [0.5], None),
        ("clamp_min", (None, 0.25), [0.5], 0.5),
        ("clamp_max", (None, 0.25), [0.5], 0.25),
        ("zeros", ([2],), [], 0.0),
        ("reciprocal", (None,), [0.5], 2.0),
        ("reciprocal", (None,), [0.0], None),
        ("sqrt", (None,), [0.25], 0.5),
        ("sqrt", (None,), [-0.25], None),
        ("pow", (2, None), [-3.0], 0.125),
        ("pow", (None, 2), [-3.0], 9.0),
        ("tan", (None,), [0.5], None),
        ("clone", (None,), [None], None),
        ("mul", (None, None), [0.5, 0.25], 0.125),
        ("mul", (None, None), [0.5, None], None),
        ("div", (None, None), [0.5, 0.25], 2.0),
        ("rand", ([2],), [], None),
    ],
)
def test_the_number_of_a_constant(
    op: str, args: tuple[Any, ...], fills: list[float | None], number: float | None
) -> None:
    assert filled(op, args, [of(fill) for fill in fills]) == number


def test_a_sum_is_as_often_the_number_as_it_has_terms() -> None:
    ones = Value((1, 1, 8, 4), (), Flow(), None, fill=0.5)
    assert filled("sum", (None, [2, 3]), [ones], (1, 1)) == 16.0
    assert filled("sum", (None,), [ones], ()) == 16.0
    assert filled("mean", (None, [2]), [ones], (1, 1, 4)) == 0.5


def test_a_factor_or_a_rounding_beside_the_operands_is_not_calculated() -> None:
    assert filled("add", (None, 4), [of(0.5)], named={"alpha": 2}) is None
    assert filled("div", (None, 4), [of(0.5)], named={"rounding_mode": "floor"}) is None


def test_a_view_has_the_number_of_what_it_is_a_view_of() -> None:
    assert filled("select", (None, 0, 0), [of(0.5)], is_view=True) == 0.5
    assert filled("select", (None, 0, 0), [of(0.5)]) is None


def test_weights_that_add_up_to_one_are_each_their_share() -> None:
    assert filled("_softmax", (None, 1, False), [Value((2, 8), (), Flow(), None, fill=3.0)], (2, 8)) == 0.125


def test_elements_are_looked_at_when_their_number_is_asked_for() -> None:
    looked: list[str] = []

    def look() -> float:
        looked.append("once")
        return 0.5

    kept = Value((2,), (), Flow(), None, fill=look)
    half = Value((2,), (), Flow(), None, fill=filled("div", (None, 2), [kept]))
    assert not looked
    assert (half.number, half.number, kept.number) == (0.25, 0.25, 0.5)
    assert looked == ["once"]
