"""Results of confirmations: by arithmetic, and never lower than before."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.errors import UnusableInputError
from nas.search.confirmation import Confirmation, add, confirmations
from nas.search.study import CONFIRMED


def of(*accuracies: float, epochs: int = 2, first: int = 0, images: int = 10_000) -> Confirmation:
    seeds = tuple(range(first, first + len(accuracies)))
    return Confirmation(
        trial=1, architecture="x", epochs=epochs, seeds=seeds, accuracies=accuracies, seconds=1.0, test_images=images
    )


def test_mean_and_sample_deviation_are_those_of_arithmetic() -> None:
    three = of(0.8, 0.9, 0.85)
    assert three.mean == pytest.approx((0.8 + 0.9 + 0.85) / 3)
    assert three.std == pytest.approx(((0.05**2 + 0.05**2 + 0) / (3 - 1)) ** 0.5)
    assert (of(0.8).mean, of(0.8).std) == (0.8, 0.0)


@pytest.mark.parametrize("accuracies", [(0.8, 0.9), (0.1, 0.2, 0.3), (0.7, 0.7, 0.7), (0.1,) * 10])
def test_a_mean_is_over_no_target_that_it_equals(accuracies: tuple[float, ...]) -> None:
    exact = sum(Decimal(str(one)) for one in accuracies) / len(accuracies)
    assert of(*accuracies).mean == float(exact)
    assert of(*accuracies, images=0).verdict(float(exact)).startswith(("not over", "too close"))


def test_the_interval_holds_both_errors() -> None:
    assert of(0.8).half_width == pytest.approx(1.96 * (0.8 * 0.2 / 10_000) ** 0.5)  # 0.784 points
    assert of(0.8, images=0).half_width == 0.0
    two = of(0.79, 0.81)
    seeds = 12.706 * (2 * 0.01**2) ** 0.5 / 2**0.5
    assert two.half_width == pytest.approx((seeds**2 + (1.96**2) * 0.16 / 10_000) ** 0.5)


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ((0.86,), "over 85.00%"),  # 1 point over, the interval is 0.68
        ((0.855,), "too close to 85.00% to say at 1 seed"),
        ((0.84,), "not over 85.00%"),
        ((0.86, 0.862, 0.861), "over 85.00%"),  # ±0.25 of seeds and 0.68 of images
        ((0.85, 0.87, 0.86), "too close to 85.00% to say at 3 seeds"),  # ±2.5 of seeds
    ],
)
def test_a_verdict_is_given_where_the_interval_leaves_the_target_out(
    accuracies: tuple[float, ...], verdict: str
) -> None:
    assert of(*accuracies).verdict(0.85) == verdict


def test_seeds_add_up_and_a_smaller_confirmation_takes_nothing_away() -> None:
    study = optuna.create_study()
    add(study, of(0.8, 0.9))
    whole = add(study, of(0.85, first=2))
    assert (whole.seeds, whole.accuracies) == ((0, 1, 2), (0.8, 0.9, 0.85))
    assert add(study, of(0.8)).seeds == (0, 1, 2)
    assert confirmations(study, 1) == [replace(whole, seconds=confirmations(study, 1)[0].seconds)]
    assert study.user_attrs[f"{CONFIRMED}1"]["mean"] == pytest.approx(0.85)


def test_a_shorter_training_is_kept_beside_the_longer_one() -> None:
    study = optuna.create_study()
    add(study, of(0.8, 0.9, epochs=10))
    add(study, of(0.5, epochs=2))
    add(study, of(0.6, epochs=2, first=1))
    shown = study.user_attrs[f"{CONFIRMED}1"]
    assert (shown["epochs"], shown["seeds"]) == (10, (0, 1))
    assert [(c.epochs, c.accuracies) for c in confirmations(study, 1)] == [(10, (0.8, 0.9)), (2, (0.5, 0.6))]
    add(study, of(0.95, epochs=20))
    assert [c.epochs for c in confirmations(study, 1)] == [20, 10, 2]
    assert study.user_attrs[f"{CONFIRMED}1"]["mean"] == 0.95


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.floats(0, 1)), max_size=12))
def test_nothing_that_was_added_is_lost(parts: list[tuple[int, int, float]]) -> None:
    study = optuna.create_study()
    for epochs, seed, accuracy in parts:
        add(study, of(accuracy, epochs=epochs, first=seed))
    kept = {(c.epochs, seed) for c in confirmations(study, 1) for seed in c.seeds}
    assert kept == {(epochs, seed) for epochs, seed, _ in parts}


def test_what_an_earlier_version_kept_is_read() -> None:
    study = optuna.create_study()
    table = {"trial": 1, "architecture": "x", "epochs": 2, "seeds": [0], "accuracies": [0.8], "seconds": 1.0}
    study.set_user_attr(f"{CONFIRMED}1", {**table, "mean": 0.8, "std": 0.0})
    (found,) = confirmations(study, 1)
    assert (found.seeds, found.accuracies, found.test_images) == ((0,), (0.8,), 0)
    assert confirmations(study, 2) == []


@pytest.mark.parametrize(
    "table",
    [[1], "text", {"epochs": 2}, {"epochs": 2, "seeds": [0, 1], "accuracies": [0.5]}, {"others": 3, "seeds": 1}],
)
def test_what_this_tool_did_not_write_is_refused(table: Any) -> None:
    study = optuna.create_study()
    study.set_user_attr(f"{CONFIRMED}1", table)
    with pytest.raises(UnusableInputError, match="was not made by this tool: its confirmation of trial 1 is of"):
        confirmations(study, 1)


def test_a_confirmation_goes_by_the_study_s_measure() -> None:
    first = Confirmation(
        trial=1, architecture="x", epochs=2, seeds=(0,), accuracies=(0.97,), seconds=1.0, test_images=12,
        balanced_accuracies=(0.5,), measure="balanced_accuracy",
    )  # fmt: skip
    both = first.with_seeds_of(replace(first, seeds=(1,), accuracies=(0.95,), balanced_accuracies=(0.7,)))
    assert both.judged == (0.5, 0.7)
    assert both.mean == pytest.approx(0.6)
    assert both.as_dict()["measure"] == "balanced_accuracy"
    earlier = replace(first, measure="accuracy", balanced_accuracies=())
    assert replace(first, measure="accuracy").with_seeds_of(replace(earlier, seeds=(1,))).balanced_accuracies == ()
