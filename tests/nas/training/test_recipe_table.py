"""Recipes as tables and texts, of this release and of others."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.errors import UnusableInputError
from nas.training import recipes
from nas.training.options.phase import Phase
from nas.training.recipe_table import as_table, from_table, from_text
from nas.training.recipes import Recipe

SHIPPED = [recipes.default(8), recipes.default(40), recipes.sgd(8), recipes.seed()]


@pytest.mark.parametrize("recipe", SHIPPED, ids=lambda recipe: recipe.name)
def test_a_recipe_comes_back_from_its_table_and_its_text(recipe: Recipe) -> None:
    assert from_table(json.loads(json.dumps(as_table(recipe))), "x") == recipe
    assert from_text(repr(recipe)) == recipe


def test_a_table_holds_every_option() -> None:
    table = as_table(recipes.default(8))
    assert set(table) == {field.name for field in fields(Recipe)}
    assert set(table["phases"][0]) == {field.name for field in fields(Phase)}


@given(st.sampled_from(SHIPPED), st.sets(st.sampled_from([f.name for f in fields(Recipe) if f.name != "name"])))
def test_what_an_earlier_release_did_not_have_is_at_its_default(recipe: Recipe, absent: set[str]) -> None:
    table = {name: value for name, value in as_table(recipe).items() if name not in absent}
    usual = Recipe(name="x")
    assert from_table(table, "x") == replace(recipe, **{name: getattr(usual, name) for name in absent})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "x", "phases": [{"peak_lr": "a"}]}, "r.toml: phases.1.peak_lr: 'a': write a number"),
        ({"name": "x", "warmup": 0.1}, "r.toml: warmup: 0.1: an option of a phase: write it in a recipe file, base = "),
        ({"name": "x", "warmpu": 0.1}, "r.toml: warmpu: 0.1: unknown option: did you mean warmup?"),
        ({"name": "x", "oops": 1}, "r.toml: oops: 1: unknown option: known are label_smoothing, distillation, "),
        ({"batch_size": 2}, "r.toml: name: "),
        ([1], r"r.toml: the whole table: \[1\]: write a table"),
        ({"name": "x", "mixup": 2}, "r.toml: mixup is out of range: 2.0: give 0 to 1"),
        ({"name": "x", "batch_size": 1.5}, "r.toml: batch_size: 1.5: write a whole number"),
        ({"name": "x", "ema_decay": float("nan")}, "r.toml: ema_decay: nan: write a number"),
    ],
)
def test_what_is_off_is_named(table: Any, message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        from_table(table, "r.toml")


@pytest.mark.parametrize(
    "text", ["Recipe(name='x', later=3)", "__import__('os')", "(", "Recipe(*[1])", "3", "Recipe(name=open)", "(" * 9999]
)
def test_a_text_that_is_no_recipe_of_this_release_is_none(text: str) -> None:
    assert from_text(text) is None
