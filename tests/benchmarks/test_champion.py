"""How a champion is stored: weights in half precision, the recipe in words, the table read back."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import optuna
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.champion import entry, halved, main, recipe_flag, recipe_text, shipped_weights
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.champions.registry import champions, find
from nas.search import weights_file
from nas.search.confirmation import Confirmation
from nas.search.retraining import digest
from nas.search.storage import open_storage
from nas.search.study import CONFIRMED, IDENTITY, SOURCE
from nas.search.trained_weights import Weights
from nas.search.training_way import Training
from nas.space.attributes import ARCHITECTURE
from nas.training import datasets, recipes, splits
from nas.training.decoded import Dataset
from nas.training.evaluation import evaluate
from nas.training.named_recipes import RECIPES
from nas.training.recipe_files import nameless
from tests.nas.results.known import add

NETWORK = "N.3x8x8.2/pw2/fc"
"""A 1x1 convolution to two channels, the mean of each, and a linear layer."""


def test_what_outgrows_half_precision_stays_as_it_is() -> None:
    state = {"a": torch.tensor([1 / 3]), "b": torch.tensor([1e6]), "n": torch.tensor(3)}
    found = halved(state)
    assert [tensor.dtype for tensor in found.values()] == [torch.float16, torch.float32, torch.int64]
    assert torch.equal(found["b"], state["b"])


def test_a_recipe_is_named_by_the_nearest_that_ships() -> None:
    changed = replace(recipes.default(30), name="mine", ema_decay=0.999, label_smoothing=0.05)
    assert recipe_text(changed, 30) == "default, label_smoothing 0.05, ema_decay 0.999"
    assert recipe_text(recipes.long(60), 60) == "long"


@pytest.mark.parametrize("epochs", [10, 120])
@pytest.mark.parametrize(
    ("name", "options"), [("default", {}), ("long", {}), ("long", {"mixup": 0.0}), ("sgd", {"crop": 1}), ("seed", {})]
)
def test_the_command_confirms_by_the_very_recipe(name: str, options: dict[str, Any], epochs: int) -> None:
    recipe = replace(RECIPES[name].make(epochs), **options)
    found = Training.asked(recipe_flag(recipe, epochs), None, 1).for_epochs(epochs)
    assert nameless(found) == nameless(recipe)


def test_a_recipe_that_ships_is_asked_for_by_its_name_alone_where_that_suffices() -> None:
    assert recipe_flag(recipes.default(10), 10) == "default"
    assert recipe_flag(recipes.long(120), 120) == "long"
    assert recipe_flag(replace(recipes.long(120), mixup=0.0), 120) == "long,mixup=0.0"
    assert recipe_flag(replace(recipes.long(120), ema_decay=0.99), 120) == "long,ema_decay=0.99"
    assert recipe_flag(recipes.sgd(120), 120) == "sgd,label_smoothing=0.1"


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Weights, Dataset]:
    """Trained weights, which name every image by its brightness, and their data: dark and bright images."""
    pixels = np.repeat(np.array([0, 255], dtype=np.uint8), 4)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    labels = np.repeat(np.arange(2), 4)
    dataset = SimpleNamespace(
        train_images=pixels, train_labels=labels, test_images=pixels, test_labels=labels, classes=("dark", "bright"),
        content_hash="d",
    )  # fmt: skip
    state = build(parse(NETWORK)).state_dict()
    state["stages.c1.0.conv.weight"].copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))  # the sum of the channels, twice
    state["head.fc.weight"].copy_(torch.tensor([[-1 / 3, 0.0], [1 / 3, 0.0]]))
    state["head.fc.bias"].zero_()
    weights_file.save(state, tmp_path / "trained.safetensors")
    return Weights(path=tmp_path / "trained.safetensors", confirmed=True, test_accuracy=1.0), cast("Dataset", dataset)


def test_weights_that_ship_are_read_back_and_tested(tiny: tuple[Weights, Dataset], tmp_path: Path) -> None:
    found = shipped_weights(NETWORK, *tiny, tmp_path / "champion-a.safetensors")
    assert (found["weights"], found["weights_accuracy"], found["classes"]) == (
        "champion-a.safetensors", 1.0, ("dark", "bright"),
    )  # fmt: skip
    assert load_file(tmp_path / "champion-a.safetensors")["head.fc.weight"].dtype == torch.float16
    assert (found["mean"], found["std"]) == ([0.5] * 3, [0.5] * 3)


def test_weights_that_are_worth_less_or_too_large_do_not_ship(
    tiny: tuple[Weights, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, dataset = tiny
    dataset.test_labels[0] = 1
    with pytest.raises(SystemExit, match=r"bytes, test accuracy 0\.875, was 1\.0: give --without-weights"):
        shipped_weights(NETWORK, weights, dataset, tmp_path / "champion-a.safetensors")
    dataset.test_labels[0] = 0
    monkeypatch.setattr("benchmarks.champion.LARGEST", 100)
    with pytest.raises(SystemExit, match="give --without-weights"):
        shipped_weights(NETWORK, weights, dataset, tmp_path / "champion-a.safetensors")
    assert not (tmp_path / "champion-a.safetensors").exists()


def test_an_entry_is_read_back(tmp_path: Path) -> None:
    place = tmp_path / "champions.toml"
    wide = find("champion-wide")
    place.write_text(entry(wide) + "\n" + entry(find("champion-search")))
    assert list(champions(place).values()) == [wide, find("champion-search")]


DIGITS = "BR/c8-c8-c8s2/c8-c8-c8s2/c8-dwd2-pw8-c8s2/c8-c8d4-c8/fc"
"""Keeps every rule."""


@pytest.fixture
def studied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study of the digits: trial 0 keeps the rules and is confirmed, 1 is not, 2 breaks them."""
    monkeypatch.chdir(tmp_path)
    dataset = datasets.load("digits")
    study = optuna.create_study(storage=open_storage("runs/journal.log", write=True), study_name="s")
    way = Training.asked("default,batch_size=32", "assignment,dropout=0.05", 4)
    identity = {"data": {"name": "digits", "hash": dataset.content_hash}, "epochs": 4, **way.as_table()}
    for key, value in {IDENTITY: identity, SOURCE: "digits"}.items():
        study.set_user_attr(key, value)
    for text in (DIGITS, DIGITS, DIGITS.replace("c8-c8d4-c8", "c8")):
        add(study, [0.5], params=1, network=text)
    confirm_with_random_weights(study, 0, dataset)
    study.set_user_attr(f"{CONFIRMED}2", confirmation(2, study.trials[2].user_attrs[ARCHITECTURE], 0.5).as_dict())
    return tmp_path


def confirm_with_random_weights(study: optuna.Study, trial: int, dataset: Dataset) -> None:
    """Leave what a confirmation of six epochs leaves."""
    text = study.trials[trial].user_attrs[ARCHITECTURE]
    torch.manual_seed(0)
    model = build(parse(text))
    folder = Path("runs/s") / f"confirm-{trial:05d}-{digest(text)}" / "epochs-6-run-0"
    folder.mkdir(parents=True)
    weights_file.save(model.state_dict(), folder / "weights.safetensors")
    mean, std = splits.channel_statistics(dataset.train_images, np.arange(len(dataset.train_labels)))
    accuracy = evaluate(model, dataset.test_images, dataset.test_labels, mean, std).accuracy
    (folder / "test.json").write_text(json.dumps({"test_accuracy": accuracy}))
    study.set_user_attr(f"{CONFIRMED}{trial}", confirmation(trial, text, accuracy).as_dict())


def confirmation(trial: int, text: str, accuracy: float) -> Confirmation:
    return Confirmation(trial=trial, architecture=text, epochs=6, seeds=(0,), accuracies=(accuracy,), seconds=1.0)


def ran(monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    fixed = ["--study", "s", "--file", "champions.toml", "--commit", "abc1234", "--machine", "a CPU"]
    monkeypatch.setattr(sys, "argv", ["champion", *more, *fixed])
    main()


def test_a_confirmed_trial_becomes_a_champion_by_one_command(studied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(monkeypatch, "champion-digits", "--trial", "0", "--found", "by hand")
    (found,) = champions(studied / "champions.toml").values()
    assert found.architecture == DIGITS
    assert (found.recipe, found.augmentation) == ("default, batch_size 32", "assignment,dropout=0.05")
    assert (found.epochs, found.seeds, found.commit, found.machine) == (6, (0,), "abc1234", "a CPU")
    assert found.params == sum(p.numel() for p in build(parse(DIGITS)).parameters())
    assert found.command == (
        f"uv run search.py train '{DIGITS}' --data digits --recipe 'default,batch_size=32' "
        "--augmentation 'assignment,dropout=0.05' --epochs 1 && "
        "uv run search.py confirm best --epochs 6 --seeds 1"
    )
    assert found.weights_accuracy == pytest.approx(found.test_accuracy, abs=0.001)
    assert load_file(studied / "champion-digits.safetensors")["head.fc.weight"].dtype == torch.float16
    with pytest.raises(SystemExit, match="champion-digits already exists: give another name"):
        ran(monkeypatch, "champion-digits", "--trial", "0")


@pytest.mark.parametrize(
    ("trial", "message"), [("1", "trial 1 is not confirmed"), ("2", "it breaks convs_per_stage >= 3")]
)
def test_what_is_not_confirmed_or_breaks_a_rule_becomes_none(
    trial: str, message: str, studied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=message):
        ran(monkeypatch, "champion-digits", "--trial", trial)
    assert not list(studied.glob("champion*"))
