"""Trials and space by the size of the data; expected values by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from nas.config import LaunchConfig, read_config
from nas.search.scope import changed, keeps_space, scoped, space_of
from nas.space.space import load
from nas.training.decoded import Dataset
from nas.training.splits import Split


@dataclass
class Images:
    """As many images as a data set has, and none of them."""

    train: int
    validation: int
    side: int = 32

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, self.side, self.side

    def split(self) -> Split:
        return Split(train=np.arange(self.train), validation=np.arange(self.validation))


def chosen(train: int, validation: int, side: int = 32, known: Any = None, **flags: Any) -> LaunchConfig:
    images = cast("Dataset", Images(train, validation, side))
    return scoped(read_config(None, flags), images, known or {})


@pytest.mark.parametrize(
    ("validation", "trials"),
    [(0, 10), (1, 10), (109, 10), (110, 11), (143, 14), (299, 29), (300, 30), (5_000, 30)],
)
def test_a_trial_for_every_ten_validation_images(validation: int, trials: int) -> None:
    assert chosen(1_000, validation).trials == trials


@pytest.mark.parametrize(
    ("train", "side", "space"),
    [
        (1_295, 32, "tiny"),
        (4_095, 32, "tiny"),
        (4_096, 32, "assignment"),
        (45_000, 32, "assignment"),
        (1_295, 33, "assignment"),
        (1_295, 8, "tiny"),
    ],
)
def test_few_small_images_are_searched_over_small_networks(train: int, side: int, space: str) -> None:
    assert chosen(train, 100, side).space == space


@pytest.mark.parametrize(
    "flags", [{"space": "wide"}, {"constraints": ["params > 100k"]}, {"start": ["seed"]}, {"from_study": "other"}]
)
def test_what_is_asked_for_and_what_may_not_be_in_the_small_space_stays(flags: dict[str, Any]) -> None:
    asked = read_config(None, flags)
    assert chosen(1_295, 143, **flags).space == asked.space
    assert chosen(1_295, 143, trials=3, **flags) == asked.model_copy(update={"trials": 3})


def test_a_file_that_repeats_the_defaults_asks_for_no_space(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(read_config(None, {}).to_toml())
    images = cast("Dataset", Images(1_295, 143))
    assert scoped(read_config(tmp_path / "a.toml", {}), images, {}).space == "tiny"


@pytest.mark.parametrize(
    ("name", "space"), [("assignment", "assignment"), ("tiny", "tiny"), ("mine.toml", "mine.toml"), ("wide", "wide")]
)
def test_a_study_keeps_its_space(name: str, space: str) -> None:
    assert chosen(1_295, 143, known={"space": {"name": name, "hash": "0"}}).space == space
    assert chosen(1_295, 143, known={"epochs": 3}).space == "tiny", "made for given networks alone"


@pytest.mark.parametrize(
    "flags", [{"constraints": ["params > 100k"]}, {"start": ["seed"]}, {"from_study": "other"}, {"seed": 2}]
)
@pytest.mark.parametrize("name", ["tiny", "assignment"])
def test_a_study_keeps_its_space_whatever_but_another_space_is_given(name: str, flags: dict[str, Any]) -> None:
    known = {"space": {"name": name, "hash": "0"}}
    assert chosen(1_295, 143, known=known, **flags).space == name
    assert chosen(45_000, 5_000, known=known, **flags).space == name
    assert chosen(1_295, 143, known=known, **{**flags, "space": "wide"}).space == "wide"


def test_a_space_without_name_and_table_cannot_be_kept() -> None:
    assert chosen(1_295, 143, known={"space": {"name": "", "hash": "0"}}).space == "tiny", "compared by its hash"
    config = read_config(None, {})
    assert not keeps_space(config, {"space": {"hash": "0"}})
    assert keeps_space(config, {"space": {"hash": "0", "table": {}}})
    assert space_of(config, {"space": {"name": "", "hash": "0"}}, "tiny") == load("tiny")


def test_what_the_data_decided_is_said_by_its_flags() -> None:
    usual = read_config(None, {})
    assert changed(usual, chosen(1_295, 143), {}) == {"--trials": "14 trials", "--space": "space tiny"}
    assert changed(usual, chosen(45_000, 5_000), {}) == {}
    known = {"space": {"name": "wide", "hash": "0"}}
    assert changed(usual, chosen(1_295, 143, known=known), known) == {"--trials": "14 trials"}, "the study's own"
