"""The file of ``--write-config``: with what an existing study keeps, where the file gives a new study the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig
from nas.search.kept_settings import KnownStudy
from nas.search.scope import keeps_space
from nas.search.study import IMAGES, identity
from nas.search.study_augmentation import usual_augmentation
from nas.search.training_way import Training
from nas.space.space import load
from nas.training import recipes
from nas.training.recipe_files import nameless


def written(config: LaunchConfig, study: KnownStudy | None) -> str:
    """The configuration as TOML; a comment names what is left out of it because the ``study`` has its own."""
    if study is None:
        return config.to_toml()
    same = _same_for_new_studies(config, study)
    config = config.model_copy(update=same)
    return config.to_toml(tuple(_left(config, study)))


def _same_for_new_studies(config: LaunchConfig, study: KnownStudy) -> dict[str, Any]:
    """Space and epochs of the study, where no others were given and a new study makes of them what this one has."""
    found: dict[str, Any] = {}
    known = identity(study)
    if keeps_space(config, known) and _loads_the_same(known["space"], study):
        found["space"] = known["space"]["name"]
    if "epochs" in config.by_data and "epochs" in known:
        recipe = Training.of(study, known["epochs"]).recipe
        if nameless(recipe) == nameless(recipes.default(known["epochs"])):
            found["epochs"] = known["epochs"]
    return found


def _loads_the_same(own: dict[str, Any], study: KnownStudy) -> bool:
    """Whether a study's space can be had by its name, for images like the study's."""
    if IMAGES not in study.user_attrs:
        return False
    (channels, height, width), classes = study.user_attrs[IMAGES]
    try:
        space = load(own["name"], input=(channels, height, width), classes=classes)
    except UnusableInputError:  # its file is gone or cannot be read any more
        return False
    return space.fingerprint == str(own["hash"])


def _left(config: LaunchConfig, study: KnownStudy) -> Iterator[str]:
    """What the file does not have, though the study has its own."""
    known = identity(study)
    if keeps_space(config, known):
        yield "space"
    if "epochs" not in known:
        return
    way = Training.of(study, known["epochs"])
    if "epochs" in config.by_data:
        yield "epochs"
    if config.recipe is None and nameless(way.recipe) != nameless(recipes.default(config.epochs)):
        yield "recipe"
    if config.augmentation is None and not way.augmentation.is_same(usual_augmentation(way.recipe)):
        yield "augmentation"
    yield from (name for name in ("teacher", "tune") if getattr(config, name) is None and getattr(way, name))
