from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.objectives import Objectives
from nas.space import space as spaces
from nas.space.analytic import metrics

Points = list[tuple[float, float]]


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ("accuracy", ["maximize"]),
        ("accuracy,params", ["maximize", "minimize"]),
        ("accuracy,macs,params", ["maximize", "minimize", "minimize"]),
    ],
)
def test_accuracy_goes_up_and_costs_go_down(text: str, directions: list[str]) -> None:
    assert Objectives.parse(text).directions == directions


def test_values_stand_in_the_order_of_the_directions() -> None:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    figures = metrics(space.decode(space.random(random.Random(0))))
    assert Objectives.parse("accuracy").values(0.5, figures.as_dict()) == (0.5,)
    assert Objectives.parse("accuracy,macs,params").values(0.5, figures.as_dict()) == (
        0.5,
        figures.macs,
        figures.params,
    )


def test_one_objective_orders_by_accuracy_and_equal_ones_as_they_came() -> None:
    assert Objectives().order(np.array([[0.1], [0.3], [0.1], [0.2]])).tolist() == [1, 3, 0, 2]


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] >= b[0] and a[1] <= b[1] and a != b


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.sampled_from([1.0, 2.0, 3.0])), min_size=1))
def test_no_trial_comes_before_one_that_dominates_it(points: Points) -> None:
    order = [points[i] for i in Objectives(("params",)).order(np.array(points))]
    assert sorted(order) == sorted(points)
    assert not any(dominates(b, a) for i, a in enumerate(order) for b in order[i + 1 :])
