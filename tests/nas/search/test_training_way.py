"""A study keeps the recipe and the augmentation that it was made with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.search.study import IDENTITY
from nas.search.training_way import Training
from nas.training import augmentation, recipes


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


def test_an_earlier_release_s_study_has_the_default() -> None:
    assert Training.of(made(epochs=8), 8) == Training.default(8)


def test_a_study_goes_on_with_its_own_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Training.default(8).as_table()
    changed = replace(recipes.default(8), batch_size=64)
    monkeypatch.setattr(recipes, "default", lambda epochs: changed)
    monkeypatch.setattr(augmentation, "probabilities", lambda name: {"flip": 0.0})
    found = Training.of(made(**table), 8)
    assert found.recipe.batch_size == 128
    assert found.of_feed()["probabilities"]["flip"] == 0.5
    assert list(found.notes(8)) == [
        "the study was made with another recipe and augmentation than a new one would be: it keeps them"
    ]


def test_a_longer_training_of_the_default_takes_the_default_of_its_length() -> None:
    assert Training.default(8).for_epochs(40) == recipes.default(40)
    small = replace(recipes.default(8), batch_size=32)  # as small data has it
    assert replace(Training.default(8), recipe=small).for_epochs(40) == replace(recipes.default(40), batch_size=32)
    earlier = replace(recipes.default(8), whitening_spread=False)  # of a study before it was an option
    assert replace(Training.default(8), recipe=earlier).for_epochs(40) == replace(
        recipes.default(40), whitening_spread=False
    )
    own = replace(recipes.default(8), ema_decay=0.5)
    assert replace(Training.default(8), recipe=own).for_epochs(40) == own


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
