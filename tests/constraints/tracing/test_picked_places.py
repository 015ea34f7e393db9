"""Places of a map that are selected, sliced and added: which weight each has, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from constraints.tracing import picked_places
from constraints.tracing.picked_places import are_of_all_axes, bent, common_weight, weighed
from constraints.tracing.values import Flow, Picked, Value
from tests.constraints.tracing.known import CONV, known

Run = Callable[[Any], Any]


def picked(run: Run) -> Picked | None:
    """What a function of a map of 3 channels and 8 by 8 units is a sum of."""
    (out,) = known(lambda m, x: run(m.a(x)), a=CONV).outputs
    return out.flow.picked


@pytest.mark.parametrize(
    ("run", "gone", "weights"),
    [
        (lambda y: y[..., 5], (3,), {(5,): 1}),
        (lambda y: y[:, :, 2, 5], (2, 3), {(2, 5): 1}),
        (lambda y: y[..., 5] / 2 - y[..., 4], (3,), {(5,): 0.5, (4,): -1}),
        (lambda y: y[..., 5].add(y[..., 4], alpha=3), (3,), {(5,): 1, (4,): 3}),
        (lambda y: y[..., 5].lerp(y[..., 4], 0.25), (3,), {(5,): 0.75, (4,): 0.25}),
        (lambda y: y[..., 5] + y[..., 5], (3,), {(5,): 2}),
        (lambda y: y[..., 2:4].sum(3), (3,), {(2,): 1, (3,): 1}),
        (lambda y: y[..., ::4].mean(3), (3,), {(0,): 0.5, (4,): 0.5}),
        (lambda y: y[:, :, 1:3, 6:].sum((2, 3)), (2, 3), dict.fromkeys([(1, 6), (1, 7), (2, 6), (2, 7)], 1)),
        (lambda y: y[:, :, 1:3, 6].sum(2), (2, 3), {(1, 6): 1, (2, 6): 1}),
        (lambda y: y[..., 2:][..., 1:3].sum(3), (3,), {(3,): 1, (4,): 1}),
    ],
)
def test_each_place_has_its_weight(run: Run, gone: tuple[int, ...], weights: dict[tuple[int, ...], float]) -> None:
    found = picked(run)
    assert found is not None
    assert (found.gone, found.weights) == (gone, weights)


@pytest.mark.parametrize(
    "run",
    [
        lambda y: y[:, 1],  # a channel
        lambda y: y[..., 5][:, 1:],
        lambda y: y[..., 5] + y[:, :, 5],
        lambda y: y[..., 5] * y[..., 4],
        lambda y: (y[..., 5] + y[..., 4]).relu(),
        lambda y: y[..., 2:4].amax(3),
        lambda y: y[..., 2:4].sum(1),
    ],
)
def test_what_is_no_sum_of_places(run: Run) -> None:
    assert picked(run) is None


WHOLE = Value((1, 3, 1, 2), (), Flow(), None)


def places(weights: dict[int, float], *, is_bent: bool = False) -> Picked:
    return Picked(WHOLE, (3,), {(i,): w for i, w in weights.items()}, {}, is_bent)


@pytest.mark.parametrize(
    ("sums", "weight"),
    [
        (places({0: 0.5, 1: 0.5}), 0.5),
        (places({0: 0.5}), 0),
        (places({0: 0.5, 1: 0.25}), 0),
        (places({0: 0.5, 1: 0}), 0),
        (Picked(WHOLE, (2,), {(0,): 1}), 0),  # one of one is no sum
    ],
)
def test_the_common_weight_of_all_places(sums: Picked, weight: float) -> None:
    assert common_weight(sums) == weight


@pytest.mark.parametrize("sums", [places({0: 1, 1: 1}, is_bent=True), places({0: 1, 1: float("nan")})])
def test_a_weight_that_is_not_known(sums: Picked) -> None:
    assert common_weight(sums) != common_weight(sums)


def test_a_function_of_a_sum_is_no_sum_and_that_of_one_place_may_be_that_of_each() -> None:
    one, two = bent(places({0: 1})), bent(places({0: 1, 1: 1}))
    assert one is not None
    assert one.is_bent
    assert two is None


@pytest.mark.parametrize(("most", "is_known"), [(32, True), (31, False)])
def test_of_too_many_places_it_is_not_known_whether_they_are_all(
    monkeypatch: pytest.MonkeyPatch, most: int, is_known: bool
) -> None:
    """A half of a map of 8 x 8, which has 32 places, and most of the other half."""
    monkeypatch.setattr(picked_places, "_MOST_PLACES", most)
    sums = picked(lambda y: y[..., :4].sum((2, 3)) + y[..., 4:7].sum((2, 3)))
    assert sums is not None
    assert math.isnan(common_weight(sums)) is not is_known


def test_a_constant_weighs_each_place() -> None:
    found = weighed(places({0: 1, 1: 2}), -0.5)
    assert found is not None
    assert found.weights == {(0,): -0.5, (1,): -1}


def test_no_axis_of_the_map_is_left() -> None:
    row, unit = picked(lambda y: y[..., 5]), picked(lambda y: y[:, :, 1, 5])
    assert row is not None
    assert unit is not None
    assert (are_of_all_axes(row), are_of_all_axes(unit)) == (False, True)
