"""Results of confirmations: by arithmetic, and never lower than before."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
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
    low, high = of(0.8).interval
    for limit in (low, high):  # as many errors away as the images have at the limit itself
        assert abs(limit - 0.8) == pytest.approx(1.96 * (limit * (1 - limit) / 10_000) ** 0.5)
    assert of(0.8, images=0).interval == pytest.approx((0.8, 0.8))
    seeds = 12.706 * (2 * 0.01**2) ** 0.5 / 2**0.5
    for limit in of(0.79, 0.81).interval:
        assert (limit - 0.8) ** 2 == pytest.approx(seeds**2 + 1.96**2 * limit * (1 - limit) / 10_000)


@pytest.mark.parametrize(("accuracy", "interval"), [(1.0, (50 / 53.8416, 1.0)), (0.0, (0.0, 3.8416 / 53.8416))])
def test_none_and_all_of_few_images_are_no_certainty(accuracy: float, interval: tuple[float, float]) -> None:
    """By Wilson's formula, whose limits are then n / (n + 1.96^2) and 1."""
    assert of(accuracy, images=50).interval == pytest.approx(interval)
    assert of(1.0, images=50).verdict(0.95) == "too close to 95.00% to say at 1 seed"
    assert of(1.0, images=50).verdict(0.92) == "over 92.00%"


@pytest.mark.parametrize(("images", "accuracy"), [(10_000, 0.85), (143, 0.985), (359, 0.98), (50, 0.95)])
def test_a_network_that_is_just_at_the_target_is_seldom_said_to_be_over_it(images: int, accuracy: float) -> None:
    draw = np.random.default_rng(0)
    said = [of(right / images, images=images).verdict(accuracy) for right in draw.binomial(images, accuracy, 2_000)]
    assert np.mean([verdict.startswith("over") for verdict in said]) < 0.025 + 3 * (0.025 / 2_000) ** 0.5


@pytest.mark.parametrize(("seeds", "quantile"), [(2, 12.706), (11, 2.228), (12, 2.201), (21, 2.086), (121, 1.980)])
def test_few_seeds_have_the_quantile_of_student_s_t(seeds: int, quantile: float) -> None:
    """As tables of the distribution print it, for one degree of freedom less than seeds."""
    one = of(*(0.8 + 0.01 * (-1) ** n for n in range(seeds)), images=0)
    assert one.interval[1] - one.mean == pytest.approx(quantile * one.std / seeds**0.5, rel=1e-3)


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
    with pytest.raises(UnusableInputError, match="was not made by this tool: confirmed:1"):
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
