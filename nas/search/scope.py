"""Chooses trials and space of a search by the size of its data, where the user gave neither.

- One trial per IMAGES_A_TRIAL validation images, from LEAST_TRIALS up to the default number: the best of many
  trials measured on few images is mostly the luckiest one.
- The space SMALL_SPACE for fewer than FEW_IMAGES training images of at most SMALL_SIDE pixels, such as
  handwritten digits: its networks are as accurate there, and train in a third of the time. The default space stays
  where constraints or starting networks are given, which the small one may not satisfy or contain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constraints.errors import UnusableInputError
from nas.architecture.spec import DEFAULT_CLASSES, DEFAULT_INPUT, Shape
from nas.config import LaunchConfig
from nas.space.space import Space, load
from nas.space.study_space import as_stored, stored_space
from nas.training.decoded import Dataset

IMAGES_A_TRIAL = 10
LEAST_TRIALS = 10
SMALL_SPACE = "tiny"
SMALL_SIDE = 32
FEW_IMAGES = 4_096


def scoped(config: LaunchConfig, dataset: Dataset, known: Mapping[str, Any]) -> LaunchConfig:
    """The configuration with trials and space chosen by the data; ``known`` is what the study was made with.

    A study keeps its space unless another is given.
    """
    chosen: dict[str, Any] = {}
    if "trials" in config.by_data:
        chosen["trials"] = _trials(len(dataset.split().validation), config.trials)
    if keeps_space(config, known):
        chosen["space"] = known["space"]["name"]
    elif "space" in config.by_data:
        chosen["space"] = _space(dataset, config.space)
    return config.model_copy(update=chosen)


def keeps_space(config: LaunchConfig, known: Mapping[str, Any]) -> bool:
    """Whether a launch searches the space that its study has: it can be made, and no other is asked for."""
    return _stores_space(known) and "space" not in config.model_fields_set


def _stores_space(known: Mapping[str, Any]) -> bool:
    """Whether a study has what its space can be made from: a table, or a name where an earlier release made it."""
    own = known.get("space", {})
    return "table" in own or bool(own.get("name"))


def may_leave_out(config: LaunchConfig, known: Mapping[str, Any], space: Space) -> set[str]:
    """What ``config`` gives of a study and need not give for the study's own; ``space`` has the sizes of the data."""
    is_kept = _can_be_made(known, input=space.input, classes=space.classes)
    return config.model_fields_set - (set() if is_kept else {"space"})


def _can_be_made(known: Mapping[str, Any], *, input: Shape, classes: int) -> bool:
    """Whether the space of a study can still be made as it was, from its table or its name."""
    if not _stores_space(known):
        return False
    own = known["space"]
    try:
        made = stored_space(own, input=input, classes=classes)
    except UnusableInputError:
        return False
    return bool(as_stored(own.get("name", ""), made)["hash"] == own["hash"])


def space_of(
    config: LaunchConfig,
    known: Mapping[str, Any],
    chosen: str,
    *,
    input: Shape = DEFAULT_INPUT,
    classes: int = DEFAULT_CLASSES,
) -> Space:
    """The space of a launch: the one that its study stores if ``config`` asks for no other, else ``chosen``."""
    if keeps_space(config, known):
        return stored_space(known["space"], input=input, classes=classes)
    return load(chosen, input=input, classes=classes)


def changed(before: LaunchConfig, after: LaunchConfig, known: Mapping[str, Any]) -> dict[str, str]:
    """Flag -> its value, in words, for everything that ``scoped`` chose by the data."""
    words = {"--trials": f"{after.trials} trials", "--space": f"space {after.space}"}
    if "space" in known:
        del words["--space"]
    return {flag: text for flag, text in words.items() if getattr(before, flag[2:]) != getattr(after, flag[2:])}


def _trials(validation: int, usual: int) -> int:
    return min(usual, max(LEAST_TRIALS, validation // IMAGES_A_TRIAL))


def _space(dataset: Dataset, usual: str) -> str:
    is_small = len(dataset.split().train) < FEW_IMAGES and max(dataset.image_shape[1:]) <= SMALL_SIDE
    return SMALL_SPACE if is_small else usual
