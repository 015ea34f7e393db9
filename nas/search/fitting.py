"""Fits a training to its data: epochs and batch size by the number of images unless asked for, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nas.config import DEFAULT_RECIPE, LaunchConfig
from nas.objective_text import BALANCED
from nas.search.study_augmentation import usual_augmentation
from nas.search.training_way import Training
from nas.training import recipes
from nas.training.data_advice import advice
from nas.training.decoded import Dataset
from nas.training.default_sizes import Sizing, sentence, sizing
from nas.training.feed import Feed


def fitted(
    config: LaunchConfig, asked: Training, dataset: Dataset, known: int | None
) -> tuple[LaunchConfig, Training, Sizing | None]:
    """The training with epochs and batch size chosen by the data, and that choice.

    The choice is None where epochs or a recipe were asked for. A study that has its epochs already (``known``) keeps
    them.
    """
    if not follows_data(config):
        return config, asked, None
    usual = Sizing(batch_size=asked.recipe.batch_size, epochs=config.epochs)
    sized = sizing(len(dataset.split().train), usual)
    epochs = known or sized.epochs
    kept = {name: getattr(asked.recipe, name) for name in ("distillation", "temperature")}
    # With few images, many epochs take no more steps than a short training on many.
    make = recipes.default if config.recipe or epochs == sized.epochs else recipes.usual
    recipe = replace(make(epochs), batch_size=sized.batch_size, **kept)
    augmentation = usual_augmentation(recipe) if config.augmentation is None else asked.augmentation
    return (
        config.model_copy(update={"epochs": epochs}),
        replace(asked, recipe=recipe, augmentation=augmentation),
        None if sized == usual else sized,
    )


def as_sized(config: LaunchConfig, asked: Training, way: Training, dataset: Dataset) -> Training:
    """What is ``asked`` of an existing study whose candidates train in the ``way``, with the study's sizes if any.

    A study's epochs were given or chosen by the number of images, which decides batch size and default recipe too, and
    a later launch does not repeat that. So all of these are what a new study would be made with, unless a recipe other
    than the default is asked for.
    """
    if not is_default(config):
        return asked
    usual = Sizing(batch_size=asked.recipe.batch_size, epochs=config.epochs)
    sizes = {recipes.default(config.epochs).batch_size, sizing(len(dataset.split().train), usual).batch_size}
    makes = [recipes.default] if config.recipe else [recipes.default, recipes.usual]
    kept = {name: getattr(asked.recipe, name) for name in ("distillation", "temperature")}
    for recipe in (replace(make(config.epochs), batch_size=size, **kept) for make in makes for size in sizes):
        augmentation = usual_augmentation(recipe) if config.augmentation is None else asked.augmentation
        one = replace(asked, recipe=recipe, augmentation=augmentation).with_share_of(way)
        if one.recipe == way.recipe:
            return one
    return asked


def follows_data(config: LaunchConfig) -> bool:
    """Whether epochs and batch size are chosen by the number of images."""
    return "epochs" in config.by_data


def is_default(config: LaunchConfig) -> bool:
    """Whether the recipe is the default, asked for or not."""
    return config.recipe in (None, DEFAULT_RECIPE)


def said(feed: Feed, way: Training, epochs: int, sized: Sizing | None, others: Mapping[str, str] | None = None) -> str:
    """In words, what was chosen by the number of images; only what the study does not have already."""
    is_sized = sized == Sizing(batch_size=way.recipe.batch_size, epochs=epochs)
    return sentence(len(feed.labels), sized if is_sized else None, others)


def doubts_of(dataset: Dataset, way: Training, epochs: int, target: float | None, measure: str) -> tuple[str, ...]:
    """Warnings about the data before anything trains, a line each; ``measure`` is the accuracy that has the target."""
    return advice(
        dataset,
        batch_size=way.recipe.batch_size,
        epochs=epochs,
        target=target,
        is_balanced=measure == BALANCED,
        mirroring=way.mirroring,
    )
