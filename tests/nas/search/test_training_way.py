"""A study keeps the recipe and the augmentation that it was made with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.search.study import IDENTITY
from nas.search.training_way import Training
from nas.training import augmentation, recipes
from nas.training.recipe_table import from_text


def made(**identity: Any) -> optuna.Study:
    study = optuna.create_study(study_name="s")
    study.set_user_attr(IDENTITY, identity)
    return study


def test_a_new_study_keeps_every_option() -> None:
    usual = Training.default(8)
    table = usual.as_table()
    assert table["augmentation"] == {
        "name": "assignment",
        "probabilities": {"flip": 0.5, "shift_scale_rotate": 0.25, "dropout": 0.1},
    }
    assert Training.of(made(**table), 8) == usual
    assert list(usual.notes(8)) == []


IN_0_1_0 = (
    "Recipe(name='default', phases=(Phase(share=1.0, optimiser='muon', schedule='one-cycle', peak_lr=0.05, "
    "rest_lr=0.1, floor_lr=0.0, warmup=0.2, step_epochs=10, gamma=1.0, momentum=0.9, nesterov=True, "
    "weight_decay=0.01),), "
    "batch_size=128, label_smoothing={smoothing}, ema_decay=0.99, norm_bias_lr=1.0, whitening=True, dirac=False, "
    "low_resolution=0.0, flip=False, crop=0, mixup=0.0, precision='auto')"
)
"""The recipe in a checkpoint that release 0.1.0 wrote."""


@pytest.mark.parametrize(("epochs", "smoothing"), [(4, 0.0), (29, 0.0), (30, 0.1), (40, 0.1)])
def test_a_study_of_the_first_release_trains_as_that_release_did(epochs: int, smoothing: float) -> None:
    """Its checkpoints hold the recipe, and are resumed by no other."""
    found = Training.of(made(epochs=epochs), epochs)
    assert found.recipe == from_text(IN_0_1_0.format(smoothing=smoothing))
    assert found.augmentation == augmentation.shipped("assignment")
    assert "the study was made with another recipe" in "".join(found.notes(epochs))


def test_a_long_training_is_by_the_long_recipe_whose_flip_has_an_effect() -> None:
    usual = Training.default(30)
    assert usual == Training.asked(None, None, 30) == Training.asked("long", None, 30)
    assert usual.recipe == recipes.long(30)
    assert usual.augmentation == augmentation.shipped("assignment", {"flip": 1})
    assert list(usual.notes(30)) == []
    assert usual.description() == "recipe: long"
    asked = Training.asked(None, "assignment,flip=0.5", 30)
    assert asked.augmentation == augmentation.shipped("assignment")
    assert "alternating_flip has no effect" in "".join(asked.notes(30))


def test_a_study_keeps_its_own_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Training.default(8).as_table()
    changed = replace(recipes.default(8), batch_size=64)
    monkeypatch.setattr(recipes, "default", lambda epochs: changed)
    other = {**augmentation.probabilities("assignment"), "flip": 0.0}
    monkeypatch.setattr(augmentation, "probabilities", lambda name: other)
    found = Training.of(made(**table), 8)
    assert found.recipe.batch_size == 128
    assert found.of_feed()["probabilities"]["flip"] == 0.5
    assert list(found.notes(8)) == [
        "the study was made with another recipe and augmentation than a new one would be: it keeps its own"
    ]


def test_a_longer_training_of_the_default_takes_the_usual_recipe_of_its_length() -> None:
    assert Training.default(8).for_epochs(29) == recipes.default(29)
    assert Training.default(8).for_epochs(40) == recipes.default(40)
    assert Training.default(40).for_epochs(400) == recipes.long(400)
    assert Training.asked("default", None, 40).for_epochs(400) == recipes.default(400)
    small = replace(recipes.default(8), batch_size=32)  # as small data has it
    assert replace(Training.default(8), recipe=small).for_epochs(40) == replace(recipes.default(40), batch_size=32)
    own = replace(recipes.default(8), ema_decay=0.5)
    assert replace(Training.default(8), recipe=own).for_epochs(40) == own


@pytest.mark.parametrize("name", ["default", "long", "long,mixup=0.1"])
@pytest.mark.parametrize("without", [{"halved_norm": False}, {"halved_norm": False, "whitening_spread": False}])
def test_a_study_of_a_release_with_fewer_options_follows_the_length_as_well(name: str, without: dict[str, Any]) -> None:
    """Its recipe has the options of later releases off, and keeps them so."""
    made_then = replace(Training.asked(name, None, 20).recipe, **without)
    now = Training.asked(name, None, 200).recipe
    assert replace(Training.default(8), recipe=made_then).for_epochs(200) == replace(now, **without)
    first = replace(Training.default(8), recipe=recipes.of_first_release(20)).for_epochs(200)
    assert (first.label_smoothing, first.halved_norm) == (0.1, False)


def test_what_was_not_given_of_a_recipe_with_options_follows_the_length() -> None:
    short = Training.asked("long,low_resolution=0.4", None, 1)
    assert short.recipe.ema_decay == 0.99, "an average over 1,000 steps lags behind in one epoch"
    found = short.for_epochs(120)
    assert (found.ema_decay, found.low_resolution) == (0.999, 0.4)
    given = Training.asked("long,ema_decay=0.99,mixup=0.1", None, 1).for_epochs(120)
    assert (given.ema_decay, given.mixup) == (0.99, 0.1)
    unknown = replace(short.recipe, name="long,none=1")
    assert replace(short, recipe=unknown).for_epochs(120) == unknown


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"recipe": {"name": "x", "oops": 1}}, "study 's': its recipe: oops: 1: "),
        ({"augmentation": {"name": "seed"}}, "study 's' was not made by this tool: its augmentation is of another"),
        ({"augmentation": {"name": "seed", "probabilities": {"flip": "x"}}}, "study 's' was not made by this tool"),
    ],
)
def test_what_this_tool_did_not_write_is_refused(identity: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        Training.of(made(**identity), 8)


def refused(kept: Training, asked: Training, **given: object) -> str:
    with pytest.raises(UnusableInputError) as raised:
        kept.refuse_other(optuna.create_study(study_name="s"), asked, given)
    return str(raised.value)


def test_a_study_that_is_asked_for_another_recipe_is_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "default"\nbatch_size = 64\n')
    kept = Training.asked(str(path), None, 8)
    path.write_text('base = "default"\nbatch_size = 32\n')
    asked = Training.asked(str(path), None, 8)
    assert refused(kept, asked, recipe=str(path)) == (
        "study 's' was made with other recipe: mine (batch_size 64), not mine (batch_size 32): "
        "leave --recipe out to keep its own, or use another --study"
    )
    kept.refuse_other(optuna.create_study(), asked, {"recipe": None})
    kept.refuse_other(optuna.create_study(), replace(kept, recipe=replace(kept.recipe, name="x")), {"recipe": "x"})


def test_a_study_that_is_asked_for_another_augmentation_is_refused() -> None:
    kept, asked = Training.default(8), Training.asked(None, "assignment,flip=0", 8)
    assert "assignment (probabilities.flip 0.5), not assignment (probabilities.flip 0.0): leave --augmentation out" in (
        refused(kept, asked, augmentation="assignment,flip=0")
    )


def test_what_is_tuned_is_kept_and_held_against_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "default"\n[tune]\nlr = [0.01, 0.1]\n')
    kept = Training.asked(str(path), None, 8, tune=["lr", "crop"])
    assert Training.of(made(**kept.as_table()), 8) == kept
    kept.refuse_other(made(), Training.asked(None, None, 8, tune=["crop", "lr"]), {"tune": ["crop", "lr"]})
    message = refused(kept, Training.asked(None, None, 8, tune=["crop"]), tune=["crop"])
    assert message.startswith("study 's' was made with other tune: peak_lr 0.01 to 0.1, crop 0 to 4, not crop 0 to 4: ")
    assert {name: str(one) for name, one in kept.distributions.items()} == {
        "recipe.peak_lr": "FloatDistribution(high=0.1, log=False, low=0.01, step=None)",
        "recipe.crop": "IntDistribution(high=4, log=False, low=0, step=1)",
    }


def test_ranges_that_nothing_uses_are_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "default"\n[tune]\nlr = [0.01, 0.1]\ncrop = [0, 2]\n')
    way = Training.asked(str(path), None, 8)
    assert list(way.notes(8, way)) == [
        "nothing is proposed from the ranges in the recipe's [tune]: to do so: --tune lr,crop"
    ]
    assert way.description() == "recipe: mine"
    assert Training.default(8).description() == ""


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"tune": {"lr": {"low": 2, "high": 1}}}, "study 's' was not made by this tool: its tune is of another kind"),
        ({"tune": 3}, "study 's' was not made by this tool: its tune is of another kind"),
        (
            {"augmentation": {"name": "x", "probabilities": {}, "transform": {"__class_fullname__": "os.system"}}},
            "study 's': its augmentation: no transform of albumentations' own: 'os.system'",
        ),
    ],
)
def test_what_a_storage_may_hold_instead(identity: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        Training.of(made(**identity), 8)
