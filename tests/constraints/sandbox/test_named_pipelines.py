"""The albumentations pipelines that a name in a user's file refers to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from constraints.augmentation_steps import transforms
from constraints.cli.target import parse_target
from constraints.errors import MissingChoiceError
from constraints.sandbox.loading import Loader
from constraints.sandbox.named_pipelines import named_pipelines

SOURCE = """
import functools
import os
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A

TEST = A.Compose([A.Blur()])
TRAIN = A.Compose([A.HorizontalFlip()])

def made(train=True):
    return A.Compose([A.VerticalFlip()]) if train else TEST

def chosen(train=True):
    return TRAIN if train else TEST

def of_mean(mean):
    return A.Compose([A.CoarseDropout(fill=mean)]), TEST

of_grey = functools.partial(of_mean, 7)
unfinished = functools.partial(of_mean)

def applied(image):
    return TRAIN(image=image)["image"]

def tried(image=None):
    return TRAIN(image=image.numpy())["image"]

def shown(image=None):
    return TRAIN.p

class Data:
    def __init__(self):
        self.test = TEST

    def train(self):
        return TRAIN

data = Data()
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipelines") / "augment.py"
    path.write_text(SOURCE)
    return path


def kinds(file: Path, name: str, arguments: Mapping[str, Any] | None = None) -> list[str]:
    with Loader() as loader:
        found = named_pipelines(parse_target(f"{file}:{name}"), lambda _: arguments or {}, loader, lambda _: None)
    return [step.kinds[0] for _, pipeline in found for step in transforms(pipeline)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("made", ["VerticalFlip"]),
        ("chosen", ["HorizontalFlip"]),
        ("of_grey", ["CoarseDropout", "Blur"]),
        ("applied", ["HorizontalFlip"]),
        ("tried", ["HorizontalFlip"]),
        ("shown", ["HorizontalFlip"]),
        ("data.train", ["HorizontalFlip"]),
        ("data", ["Blur"]),
    ],
)
def test_what_a_function_returns_goes_before_what_its_code_names(file: Path, name: str, expected: list[str]) -> None:
    assert kinds(file, name) == expected


@pytest.mark.parametrize("name", ["of_mean", "unfinished"])
def test_a_factory_asks_for_its_arguments_even_where_it_names_a_finished_pipeline(file: Path, name: str) -> None:
    with pytest.raises(MissingChoiceError, match=f"'{name}' needs arguments: mean: give --augmentation-arg mean="):
        kinds(file, name)
    assert kinds(file, name, {"mean": 5}) == ["CoarseDropout", "Blur"]
