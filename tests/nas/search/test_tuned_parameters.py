"""What Optuna draws a tuned option of a recipe from."""

from __future__ import annotations

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from nas.search.tuned_parameters import distribution
from nas.training.recipes import default
from nas.training.tuning import Range, is_whole, tuned, usual_ranges


@pytest.mark.parametrize(
    ("option", "one", "drawn_from"),
    [
        ("peak_lr", Range(low=0.01, high=1), FloatDistribution(0.01, 1.0)),
        ("peak_lr", Range(low=0.01, high=1, log=True), FloatDistribution(0.01, 1.0, log=True)),
        ("batch_size", Range(low=32, high=256), IntDistribution(32, 256)),
        ("batch_size", Range(low=32, high=256, log=True), IntDistribution(32, 256, log=True)),
        ("phases.1.peak_lr", Range(low=0, high=1), FloatDistribution(0.0, 1.0)),
        ("batch_size", Range(choices=(64, 128)), CategoricalDistribution((64, 128))),
        ("optimiser", Range(choices=("muon", "sgd")), CategoricalDistribution(("muon", "sgd"))),
        ("whitening", Range(choices=(False, True)), CategoricalDistribution((False, True))),
    ],
)
def test_a_range_is_drawn_from_as_it_is_written(option: str, one: Range, drawn_from: BaseDistribution) -> None:
    assert distribution(option, one) == drawn_from


def test_every_option_of_a_recipe_takes_both_ends_of_its_own_range() -> None:
    recipe = default(8)
    ranges = usual_ranges(recipe)
    assert ranges
    for option, one in ranges.items():
        made = distribution(option, one)
        assert isinstance(made, IntDistribution) == (is_whole(option) and not one.choices)
        for end in one.choices or (one.low, one.high):
            value = made.to_external_repr(made.to_internal_repr(end))
            assert value == end
            tuned(recipe, {f"recipe.{option}": value})
