"""What the number of images decides, and what it leaves to the user and to the study."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nas.config import LaunchConfig, read_config
from nas.search.fitting import fitted, follows_data, is_default, said
from nas.search.training_way import Training
from nas.training import recipes
from nas.training.decoded import Dataset
from nas.training.default_sizes import Sizing
from nas.training.feed import Feed


def config(**flags: Any) -> LaunchConfig:
    return read_config(None, {"data": "digits", "device": "cpu", **flags})


@pytest.fixture
def dataset(feed: Feed) -> Dataset:
    """180 images of digits, of which 160 are trained on: 10 batches of 16 an epoch."""
    whole = feed.dataset
    chosen = np.concatenate([np.flatnonzero(whole.train_labels == digit)[:18] for digit in range(10)])
    made = replace(whole, train_images=whole.train_images[chosen], train_labels=whole.train_labels[chosen])
    assert len(made.split().train) == 160
    return made


@pytest.mark.parametrize(
    ("flags", "follows"),
    [
        ({}, True),
        ({"recipe": "default"}, True),
        ({"trials": 9, "seed": 3, "augmentation": "none"}, True),
        ({"epochs": 20}, False),
        ({"recipe": "sgd"}, False),
        ({"recipe": "default,mixup=0.1"}, False),
    ],
)
def test_what_was_asked_for_is_kept(dataset: Dataset, flags: dict[str, Any], follows: bool) -> None:
    asked = config(**flags)
    way = Training.asked(asked.recipe, asked.augmentation, asked.epochs)
    assert follows_data(asked) == follows
    fitted_config, training, sized = fitted(asked, way, dataset, None)
    if follows:
        assert sized == Sizing(batch_size=16, epochs=100)
        assert (fitted_config.epochs, training.recipe.batch_size) == (100, 16)
    else:
        assert (fitted_config, training, sized) == (asked, way, None)


def test_few_images_train_many_epochs_by_the_recipe_of_few_steps(dataset: Dataset) -> None:
    """100 epochs on CIFAR-10 would be by the long recipe."""
    asked = config()
    _, training, _ = fitted(asked, Training.default(20), dataset, None)
    assert training.recipe == replace(recipes.default(100), batch_size=16)
    assert recipes.usual(100) == recipes.long(100)


@pytest.mark.parametrize(("known", "make"), [(20, recipes.usual), (40, recipes.usual), (100, recipes.default)])
def test_a_study_keeps_its_epochs(dataset: Dataset, known: int, make: Any) -> None:
    fitted_config, training, sized = fitted(config(), Training.default(20), dataset, known)
    assert fitted_config.epochs == known
    assert training.recipe == replace(make(known), batch_size=16)
    assert sized == Sizing(batch_size=16, epochs=100)


def test_a_teachers_share_and_an_augmentation_that_was_asked_for_stay(dataset: Dataset) -> None:
    way = Training.asked(None, "seed", 20)
    way = replace(way, recipe=replace(way.recipe, distillation=0.25, temperature=3.0))
    _, training, _ = fitted(config(augmentation="seed"), way, dataset, None)
    assert (training.recipe.distillation, training.recipe.temperature) == (0.25, 3.0)
    assert training.augmentation == way.augmentation


def test_enough_images_change_nothing(feed: Feed) -> None:
    dataset = replace(
        feed.dataset,
        train_images=np.zeros((10_000, 1, 1, 3), dtype=np.uint8),
        train_labels=np.arange(10_000, dtype=np.int64) % 10,
    )
    fitted_config, training, sized = fitted(config(), Training.default(20), dataset, None)
    assert (fitted_config.epochs, training, sized) == (20, Training.default(20), None)


@pytest.mark.parametrize(
    ("recipe", "is_so"), [(None, True), ("default", True), ("sgd", False), ({"base": "default", "crop": 1}, False)]
)
def test_the_default_recipe_may_be_named(recipe: Any, is_so: bool) -> None:
    assert is_default(config(recipe=recipe)) == is_so


def test_only_what_the_training_has_is_said(feed: Feed) -> None:
    way = Training.default(20)
    sized = Sizing(batch_size=way.recipe.batch_size, epochs=20)
    assert said(feed, way, 20, sized).startswith("64 training images: batches of 128 and 20 epochs a candidate")
    assert said(feed, way, 21, sized) == said(feed, way, 20, None) == ""
    assert said(feed, way, 20, replace(sized, batch_size=16)) == ""
    assert said(feed, way, 20, None, {"--space": "the tiny space"}) == (
        "64 training images: the tiny space, chosen by their number: --space asks for others"
    )
