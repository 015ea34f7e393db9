"""Whether data and training of a launch fit: epochs and batch size by the data unless asked for, and doubts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nas.config import LaunchConfig
from nas.objective_text import BALANCED
from nas.search.study_augmentation import usual_augmentation
from nas.search.training_way import Training
from nas.training import named_recipes, recipes
from nas.training.data_advice import advice
from nas.training.decoded import Dataset
from nas.training.feed import Feed
from nas.training.sizing import Sizing, sentence, sizing


def fitted(
    config: LaunchConfig, asked: Training, dataset: Dataset, known: int | None
) -> tuple[LaunchConfig, Training, Sizing | None]:
    """Epochs and batch size as the data wants them, where neither epochs nor a recipe were asked for; what it chose.

    None where nothing was chosen. A study that has its epochs already (``known``) keeps them.
    """
    if "epochs" in config.model_fields_set or config.recipe not in (None, named_recipes.DEFAULT):
        return config, asked, None
    usual = Sizing(batch_size=asked.recipe.batch_size, epochs=config.epochs)
    sized = sizing(len(dataset.split().train), usual)
    epochs = known or sized.epochs
    kept = {name: getattr(asked.recipe, name) for name in ("distillation", "temperature")}
    # Few images want many epochs, which are no more steps than a short training has.
    make = recipes.default if config.recipe or epochs == sized.epochs else recipes.usual
    recipe = replace(make(epochs), batch_size=sized.batch_size, **kept)
    augmentation = usual_augmentation(recipe) if config.augmentation is None else asked.augmentation
    return (
        config.model_copy(update={"epochs": epochs}),
        replace(asked, recipe=recipe, augmentation=augmentation),
        None if sized == usual else sized,
    )


def said(feed: Feed, way: Training, epochs: int, sized: Sizing | None, others: Mapping[str, str] | None = None) -> str:
    """What the number of images decided; of batch size and epochs nothing where the study has others."""
    is_sized = sized == Sizing(batch_size=way.recipe.batch_size, epochs=epochs)
    return sentence(len(feed.labels), sized if is_sized else None, others)


def doubts_of(dataset: Dataset, way: Training, epochs: int, target: float | None, measure: str) -> tuple[str, ...]:
    """What a person should know of the data before anything trains, a line each; the target is of a ``measure``."""
    return advice(
        dataset,
        batch_size=way.recipe.batch_size,
        epochs=epochs,
        target=target,
        is_balanced=measure == BALANCED,
        mirroring=way.mirroring,
    )
