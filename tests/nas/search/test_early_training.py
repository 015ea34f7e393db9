"""Another training than a study's is refused before its data is read; what depends on the data is left to later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig, read_config
from nas.search.early_training import refuse_other_training
from nas.search.training_way import Training

EPOCHS = 7
KNOWN = {
    "data": {"name": "digits", "hash": "d"},
    "space": {"name": "tiny", "hash": "s"},
    "constraints": ["params < 7000"],
    "seed": 0,
    "epochs": EPOCHS,
    "objective": "accuracy",
}


def made_with(recipe: str | None = None, pipeline: str | None = None, tune: list[str] | None = None) -> dict[str, Any]:
    return KNOWN | Training.asked(recipe, pipeline, EPOCHS, tune=tune).as_table()


def config(**flags: Any) -> LaunchConfig:
    return read_config(None, {"data": "digits", "device": "cpu", **flags})


@pytest.mark.parametrize(
    ("known", "flags"),
    [
        (made_with("sgd"), {}),
        (made_with("sgd"), {"seed": 3, "epochs": 9}),
        (made_with("sgd"), {"recipe": "sgd", "epochs": EPOCHS}),
        (made_with(pipeline="seed"), {"augmentation": "seed"}),
        (made_with(pipeline="seed"), {"augmentation": "own.py:mine"}),
        (made_with(pipeline="seed,flip=1"), {"augmentation": "seed,flip=1.0"}),
        (made_with(tune=["peak_lr"]), {"tune": ["lr"]}),
        (made_with("default,batch_size=32"), {"recipe": "default"}),
        (KNOWN, {"augmentation": "assignment"}),
    ],
)
def test_what_is_the_studys_own_or_left_out_is_not_refused(known: dict[str, Any], flags: dict[str, Any]) -> None:
    refuse_other_training(config(**flags), known)


@pytest.mark.parametrize(
    ("known", "flags", "what"),
    [
        (made_with(), {"recipe": "sgd", "epochs": EPOCHS}, "recipe"),
        (made_with("sgd"), {"recipe": "default"}, "recipe"),
        (made_with("default,batch_size=32"), {"recipe": "default,batch_size=64", "epochs": EPOCHS}, "recipe"),
        (made_with(), {"augmentation": "none"}, "augmentation"),
        (made_with(pipeline="seed,flip=1"), {"augmentation": "seed,flip=0.999"}, "augmentation"),
        (made_with(), {"tune": ["peak_lr"]}, "tune"),
        (made_with(tune=["peak_lr"]), {"tune": ["peak_lr", "weight_decay"]}, "tune"),
        (made_with(), {"recipe": "sgd", "augmentation": "own.py:mine", "epochs": EPOCHS}, "recipe"),
    ],
)
def test_another_one_is_refused_with_both(known: dict[str, Any], flags: dict[str, Any], what: str) -> None:
    message = rf"^study 'search' was made with other {what}: .+, not .+: leave --{what} out to keep its own, or use "
    with pytest.raises(UnusableInputError, match=message):
        refuse_other_training(config(**flags), known)


def test_what_cannot_be_used_is_refused_as_in_a_new_study(tmp_path: Path) -> None:
    for flags, message in (
        ({"recipe": "sdg"}, "no such recipe: 'sdg'"),
        ({"augmentation": "seed,flip=2"}, "no probability: 'flip=2'"),
        ({"tune": ["flip"]}, "flip"),
        ({"recipe": str(tmp_path / "none.toml")}, "none.toml"),
    ):
        with pytest.raises(UnusableInputError, match=message):
            refuse_other_training(config(**flags), made_with())
