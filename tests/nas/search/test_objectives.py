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


def test_values_are_in_the_order_of_the_directions() -> None:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    figures = metrics(space.decode(space.random(random.Random(0))))
    assert Objectives.parse("accuracy").values(0.5, figures.as_dict()) == (0.5,)
    assert Objectives.parse("accuracy,macs,params").values(0.5, figures.as_dict()) == (
        0.5,
        figures.macs,
        figures.params,
    )


def test_the_file_or_the_text_says_what_is_maximised() -> None:
    found = Objectives.parse("balanced_accuracy,params,deep,flat:max", {"deep": True, "flat": False})
    assert found.directions == ["maximize", "minimize", "maximize", "maximize"]
    assert str(found) == "balanced_accuracy,params,deep:max,flat:max"
    assert found.sentence == "maximise balanced accuracy, minimise params, maximise deep, maximise flat"
    assert Objectives.parse(str(found), {"deep": False, "flat": False}) == found
    assert Objectives.parse("accuracy,deep:min", {"deep": True}).maximised == frozenset()


def test_candidates_are_judged_by_the_first_objective() -> None:
    epoch = {"val_accuracy": 0.97, "val_balanced_accuracy": 0.5}
    assert Objectives.parse("accuracy").score(epoch) == 0.97
    assert Objectives.parse("balanced_accuracy").score(epoch) == 0.5


def test_an_unknown_value_is_the_worst() -> None:
    found = Objectives.parse("accuracy,own,deep:max", {"own": False, "deep": False})
    assert found.values(0.5, {"own": None}) == (0.5, float("inf"), float("-inf"))


def test_a_maximised_metric_orders_the_other_way() -> None:
    points = np.array([[0.5, 3.0], [0.5, 4.0]])
    assert Objectives.parse("accuracy,params").order(points).tolist() == [0, 1]
    assert Objectives.parse("accuracy,params:max").order(points).tolist() == [1, 0]


def test_one_objective_orders_by_accuracy_and_equal_ones_as_they_came() -> None:
    assert Objectives().order(np.array([[0.1], [0.3], [0.1], [0.2]])).tolist() == [1, 3, 0, 2]


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] >= b[0] and a[1] <= b[1] and a != b


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.sampled_from([1.0, 2.0, 3.0])), min_size=1))
def test_no_trial_comes_before_one_that_dominates_it(points: Points) -> None:
    order = [points[i] for i in Objectives(("params",)).order(np.array(points))]
    assert sorted(order) == sorted(points)
    assert not any(dominates(b, a) for i, a in enumerate(order) for b in order[i + 1 :])
