"""Options of a recipe that a search proposes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.training import recipes
from nas.training.tuning import Range, from_study, ranges, tuned, usual_ranges, values, written

DEFAULT, SEED = recipes.default(8), recipes.seed()


def test_a_range_is_the_file_s_or_is_around_the_recipe_s_value() -> None:
    table = {"lr": [0.01, 0.1], "batch_size": {"choices": [32, 64]}}
    found = ranges(["lr", "batch_size", "weight_decay"], table, DEFAULT, "r")
    assert found == {
        "peak_lr": Range(low=0.01, high=0.1),
        "batch_size": Range(choices=(32, 64)),
        "weight_decay": Range(low=0.01 / 10, high=0.01 * 10, log=True),
    }


def test_of_several_phases_the_option_says_whose_it_is() -> None:
    table = {"phases": {"2": {"lr": [0.001, 0.01]}}}
    assert written(table) == ["phases.2.lr"]
    assert ranges(["phases.2.peak_lr"], table, SEED, "r") == {"phases.2.peak_lr": Range(low=0.001, high=0.01)}
    assert ranges(["phases.1.lr"], {}, DEFAULT, "r") == {"peak_lr": Range(low=0.05 / 4, high=0.05 * 4, log=True)}


def test_a_trial_s_values_go_into_the_recipe() -> None:
    parameters = {"stem": "c3", "recipe.peak_lr": 0.03, "recipe.crop": 2}
    (phase,) = DEFAULT.phases
    assert tuned(DEFAULT, parameters) == replace(DEFAULT, crop=2, phases=(replace(phase, peak_lr=0.03),))
    assert values(parameters) == {"peak_lr": 0.03, "crop": 2}
    second = tuned(SEED, {"recipe.phases.2.weight_decay": 0.1}).phases
    assert [phase.weight_decay for phase in second] == [5e-4, 0.1, 5e-4]
    assert tuned(DEFAULT, {"stem": "c3"}) == DEFAULT


@pytest.mark.parametrize("recipe", [DEFAULT, recipes.sgd(8), SEED], ids=lambda r: r.name)
def test_every_range_that_is_used_by_itself_holds_and_is_read_back(recipe: recipes.Recipe) -> None:
    usual = usual_ranges(recipe)
    assert ranges(list(usual), {}, recipe, "r") == usual
    assert from_study({name: one.as_table() for name, one in usual.items()}) == usual


@pytest.mark.parametrize(
    ("asked", "table", "message"),
    [
        ("lrr", {}, "--tune: 'lrr': no option of a recipe that can be tuned: did you mean lr"),
        ("share", {}, "--tune: 'share': no option of a recipe that can be tuned: "),
        ("optimiser", {}, r"--tune: 'optimiser': has no range of its own: give its choices in \[tune\] of "),
        ("lr", {"lr": 3}, r"r: tune.lr: 3: write \[0.01, 0.1\], "),
        ("lr", {"lr": ["a", "b"]}, r"r: tune.lr: \['a', 'b'\]: write \[0.01, 0.1\]"),
        ("lr", {"lr": [0.1, 0.1]}, r"r: tune.lr: \[0.1, 0.1\]: give \[low, high\] or choices, low below high"),
        ("lr", {"lr": {"low": 0, "high": 1, "log": True}}, "r: tune.lr: .*: give a low above 0, or leave log out"),
        ("lr", {"lr": {"low": 0.1, "hihg": 1}}, "r: tune.lr: .*: there is no such key"),
        ("lr", {"lr": {"choices": [0.1]}}, "r: tune.lr: .*: give two or more different choices"),
        ("lr", {"lr": [-1, 1]}, "r: tune.peak_lr: peak_lr is out of range: -1: give 0 to 1000"),
        ("lr", {"momentum": [0.5, 1.5]}, "r: tune.momentum: momentum is out of range: 1.5: give 0 to 1"),
        ("crop", {"crop": [0.5, 2]}, "r: tune.crop: 0.5: give whole numbers"),
        ("crop", {"crop": {"choices": [True, 2]}}, "r: tune.crop: crop: True: write a whole number"),
        ("optimiser", {"optimiser": {"choices": ["sgd", "lion"]}}, "r: tune.optimiser: phases.1.optimiser: 'lion': "),
        ("lr", {"nope": [1, 2]}, "r: tune: 'nope': no option of a recipe"),
        ("phases.2.lr", {}, "--tune: 'phases.2.lr': the recipe has 1 phase: "),
    ],
)  # fmt: skip
def test_what_is_off_is_named(asked: str, table: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        ranges([asked], table, DEFAULT, "r")


@pytest.mark.parametrize(
    ("asked", "recipe", "message"),
    [
        (["gamma"], DEFAULT, "--tune: 'gamma': has no effect under schedule 'one-cycle': leave it out"),
        (["rest_lr"], recipes.sgd(8), "--tune: 'rest_lr': has no effect under optimiser 'sgd': leave it out"),
        (
            ["phases.2.momentum"],
            SEED,
            "--tune: 'phases.2.momentum': has no effect under phases.2.optimiser 'adam': leave",
        ),
    ],
)
def test_an_option_without_effect_is_refused(asked: list[str], recipe: recipes.Recipe, message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        ranges(asked, {}, recipe, "r")


def test_it_may_be_tuned_together_with_what_decides_its_effect() -> None:
    table = {"schedule": {"choices": ["one-cycle", "step"]}}
    assert set(ranges(["gamma", "schedule"], table, DEFAULT, "r")) == {"gamma", "schedule"}


def test_one_option_has_one_range() -> None:
    with pytest.raises(UnusableInputError, match=r"r: tune.peak_lr: \[1, 2\]: peak_lr has a range already: give one"):
        ranges([], {"lr": [0.1, 0.2], "peak_lr": [1, 2]}, DEFAULT, "r")


def test_several_phases_and_no_number() -> None:
    with pytest.raises(UnusableInputError, match=r"3 phases: say which one: phases.1.peak_lr, phases.2.peak_lr, ph"):
        ranges(["lr"], {}, SEED, "r")


@pytest.mark.parametrize("name", ["recipe.nope", "recipe.phases.9.peak_lr", "recipe.phases.x.peak_lr"])
def test_parameters_of_a_study_that_are_no_options(name: str) -> None:
    with pytest.raises(UnusableInputError, match="no value of"):
        tuned(DEFAULT, {name: 1})
