"""Recipes by name and from TOML files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.training import recipes
from nas.training.named_recipes import RECIPES
from nas.training.recipe_files import load, nameless, to_toml


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("epochs", [8, 40])
def test_a_printed_recipe_is_read_back_under_its_file_s_name(tmp_path: Path, name: str, epochs: int) -> None:
    shipped = RECIPES[name].make(epochs)
    found = load(written(tmp_path, to_toml(shipped)), epochs).recipe
    assert found.name == "mine"
    assert nameless(found) == nameless(shipped)


def test_a_table_of_a_configuration_is_read_as_a_file_is(tmp_path: Path) -> None:
    table = {"base": "sgd", "batch_size": 64, "phases": [{"peak_lr": 0.3}], "tune": {"lr": [0.1, 0.5]}}
    text = 'base = "sgd"\nbatch_size = 64\n[[phases]]\npeak_lr = 0.3\n[tune]\nlr = [0.1, 0.5]\n'
    inline, file = load(table, 8), load(written(tmp_path, text), 8)
    assert (inline.recipe.name, file.recipe.name) == ("own", "mine")
    assert (nameless(inline.recipe), inline.tune) == (nameless(file.recipe), file.tune)
    assert table["base"] == "sgd", "what was given stays as it is"


def test_a_name_may_have_options_behind_it() -> None:
    found = load("sgd,batch_size=64,precision='bfloat16'", 8).recipe
    wanted = load({"base": "sgd", "batch_size": 64, "precision": "bfloat16"}, 8).recipe
    assert nameless(found) == nameless(wanted)
    assert found.name == "sgd,batch_size=64,precision='bfloat16'"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sdg,crop=2", "recipe sdg,crop=2: base: 'sdg': start from one of default"),
        ("sgd,crop", "not key=value: 'crop'"),
        ("sgd,warmup=0.1", "recipe sgd,warmup=0.1: warmup: 0.1: an option of a phase: write it in a recipe file"),
        ("sgd,crop=2,crop=3", "an option is given twice: 'sgd,crop=2,crop=3': give one value"),
        ("sgd,corp=2", "recipe sgd,corp=2: corp: 2: unknown option"),
    ],
)
def test_what_is_off_in_such_a_name_is_one_line(name: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        load(name, 8)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"batch": 3}, r"\[recipe\]: batch: 3: "),
        ({"base": "none"}, r"\[recipe\]: base: 'none': start from one of default"),
        ({"base": "sgd", "batch_size": "many"}, r"\[recipe\]: batch_size: 'many': "),
        ({"tune": 3}, r"\[recipe\]: tune: 3: give a table \[tune\] of ranges"),
    ],
)
def test_what_is_off_in_such_a_table_is_one_line(table: dict[str, object], message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        load(table, 8)


def test_nothing_asked_for_is_the_default_and_of_a_long_training_the_long_recipe() -> None:
    assert load(None, 29).recipe == recipes.default(29)
    assert load(None, 30).recipe == recipes.long(30)
    assert load("default", 40).recipe == recipes.default(40)
    assert load("seed", 3).recipe == recipes.seed()


def test_a_base_lends_what_a_file_leaves_out_phase_by_phase(tmp_path: Path) -> None:
    text = 'base = "default"\nbatch_size = 64\n[[phases]]\npeak_lr = 0.02\n'
    usual = recipes.default(8)
    (phase,) = usual.phases
    expected = replace(usual, name="mine", batch_size=64, phases=(replace(phase, peak_lr=0.02),))
    assert load(written(tmp_path, text), 8).recipe == expected


def test_without_a_base_the_rest_has_the_defaults_of_a_recipe(tmp_path: Path) -> None:
    assert load(written(tmp_path, "crop = 2"), 8).recipe == recipes.Recipe(name="mine", crop=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch = 3", r"batch: 3: unknown option: did you mean batch_size"),
        ("batch_size = 0", r"batch_size is out of range: 0: give 1 to 100000"),
        (f"batch_size = {10**23}", r"batch_size is out of range: 1.*: give 1 to 100000"),
        ('name = ""', "name: '': give a name, on one line"),
        (r'name = "a\nb"', r"name: 'a\\nb': give a name, on one line"),
        ("[[phases]]\npeak_lr = 0.0", r"no phase has a learning rate above 0: peak_lr \[0.0\]: give one"),
        ('batch_size = "64"', r"batch_size: '64': write a whole number"),
        ("flip = 1", r"flip: 1: write true or false"),
        ("crop = 2026-01-01", r"crop: '2026-01-01': write a whole number"),
        ("norm_bias_lr = -1.0", r"norm_bias_lr is out of range: -1.0: give 0 or more"),
        ("[[phases]]\ncrop = 2", r"phases.1.crop: 2: an option of the whole recipe: write it above the first"),
        ("[[phases]]\nshare = 0.5\n[[phases]]\nshare = 0.5\nlr = 1", r"phases.2.lr: 1: unknown option: known are "),
        ("[[phases]]\nshare = 1\nmomentum = 2", r"phases.1.momentum is out of range: 2.0: give 0 to 1"),
        ("[[phases]]\nshare = 0.5", r"the phases' shares do not add up to 1: \[0.5\]"),
        ("[[phases]]\nshare = 0.0\n[[phases]]", r"phases.1.share is out of range: 0.0: give more than 0, up to 1"),
        ("[[phases]]\nstep_epochs = 0", r"phases.1.step_epochs is out of range: 0.0: give more than 0 epochs"),
        ("[[phases]]\nfloor_lr = -0.1", r"phases.1.floor_lr is out of range: -0.1: give 0 to 1000"),
        ("[[phases]]\ngamma = nan", r"phases.1.gamma: nan: write a number"),
        ('[[phases]]\nschedule = "cosine"', r"phases.1.schedule: 'cosine': give one-cycle, "),
        ("phases = 3", r"phases: 3: write a list"),
        ('phases = "adam"', r"phases: 'adam': write a list"),
        ('base = "mine"', r"base: 'mine': start from one of default, long, sgd, seed"),
        ('name = "default"', r"name: 'default': a recipe that ships has it: give another name"),
        ("tune = 3", r"tune: 3: give a table \[tune\] of ranges"),
        ("a = ", r" is not TOML: .*: correct the line"),
    ],
)  # fmt: skip
def test_what_is_off_is_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=rf"^\S*mine\.toml:? ?{message}"):
        load(written(tmp_path, text), 8)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("defualt", "no such recipe: 'defualt': did you mean default?"),
        ("x", "no such recipe: 'x': give default, long, sgd, seed or a .toml file"),
        ("gone.toml", "cannot read gone.toml: No such file or directory: give the path of a TOML file"),
    ],
)
def test_a_name_that_there_is_not(name: str, message: str) -> None:
    with pytest.raises(UnusableInputError) as raised:
        load(name, 8)
    assert str(raised.value) == message


def test_a_file_that_is_called_as_a_recipe_that_ships_is_known_by_its_whole_name(tmp_path: Path) -> None:
    place = tmp_path / "long.toml"
    place.write_text('base = "default"\nema_decay = 0.999\n')
    assert load(str(place), 8).recipe.name == "long.toml"
