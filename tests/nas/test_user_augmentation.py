"""A user's augmentation, from a file to a table."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from constraints.augmentation import CIFAR10_MEAN
from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Job
from nas import user_augmentation
from nas.training.augmentation import Augmentation, shipped
from nas.user_augmentation import check_rule, is_file, read_augmentation
from nas.user_augmentation_child import read
from tests.forked_guard import fork_guards

FILE = """
import random
import albumentations as A
from albumentations.pytorch import ToTensorV2

train = A.Compose([A.HorizontalFlip(p=0.5), A.Rotate(limit=5)])
several = [A.HorizontalFlip(p=0.5), A.Rotate(limit=5)]
alone = A.HorizontalFlip(p=0.5)
table = A.to_dict(train)
both = {"train": train, "test": A.Compose([A.HorizontalFlip()])}
rare = A.Compose([A.HorizontalFlip(), A.ToFloat(p=1e-9)])
tensor = A.Compose([A.Normalize(), ToTensorV2()])
small = A.Compose([A.OneOf([A.RandomCrop(24, 16)])])
grey = A.Compose([A.ToGray(num_output_channels=1)])
padded = A.Compose([A.PadIfNeeded(40, 40), A.RandomCrop(32, 32)])
boxes = A.Compose([A.HorizontalFlip()], bbox_params=A.BboxParams(format="coco"))
number = 3

def make(mean, image_size, flip=0.5):
    side = image_size[0] // 2
    hole = dict(num_holes_range=(1, 1), hole_height_range=(side, side), hole_width_range=(side, side))
    dropout = A.CoarseDropout(**hole, fill=[255 * m for m in mean], fill_mask=None)
    return A.Compose([A.HorizontalFlip(p=flip), A.ShiftScaleRotate(), dropout])

class Mine(A.ImageOnlyTransform):
    def apply(self, img, **params):
        return 255 - img

own = A.Compose([A.HorizontalFlip(), Mine()])

restless = A.Blur(p=1)
restless.get_params = lambda: {"kernel": random.choice([3, 5, 7])}
unseeded = A.Compose([A.HorizontalFlip(), restless])

turned = A.Blur(p=1)
turned.get_params = lambda: {"kernel": 9}
other = A.Compose([A.HorizontalFlip(), turned])

large = A.Compose([A.HorizontalFlip(), A.OneOf([A.RandomCrop(40, 40)], p=1e-9)])
boxed = A.BBoxSafeRandomCrop()
mixed = [A.HorizontalFlip(), None, A.Rotate()]
nested = [[A.HorizontalFlip()], [A.Rotate()]]

def certain(p):
    return A.HorizontalFlip(p=p)

def fails():
    return A.Compose([A.HorizontalFlip(p=1 / 0)])
"""


class Here(Sandbox):
    """The child's work in this process."""

    def run(self, job: Job) -> tuple[Any, str]:
        arguments = json.loads(json.dumps(dataclasses.asdict(job), default=os.fspath))["arguments"]
        return json.loads(json.dumps(read(arguments, lambda stage: None))), ""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_augmentation, "Sandbox", Here)
        yield str(path)


def kinds(augmentation: Augmentation) -> list[str]:
    assert augmentation.transform is not None
    return [part["__class_fullname__"] for part in augmentation.transform["transforms"]]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("train", ["HorizontalFlip", "Rotate"]),
        ("several", ["HorizontalFlip", "Rotate"]),
        ("alone", ["HorizontalFlip"]),
        ("table", ["HorizontalFlip", "Rotate"]),
        ("padded", ["PadIfNeeded", "RandomCrop"]),
        ("both", None),
    ],
)
def test_a_name_that_leads_to_one_pipeline(file: str, name: str, parts: list[str] | None) -> None:
    if parts is None:
        with pytest.raises(
            UnusableInputError, match=r"'both' holds 2 pipelines: both\['train'\], both\['test'\]: name one"
        ):
            read_augmentation(f"{file}:{name}")
        return
    found = read_augmentation(f"{file}:{name}")
    assert kinds(found) == parts
    assert found.name == f"{file}:{name}"


def test_a_function_gets_the_facts_of_the_data_and_the_options(file: str) -> None:
    found = read_augmentation(f"{file}:make,flip=0.25", shape=(32, 32, 1), mean=[0.5])
    assert found.transform is not None
    flip, _, dropout = found.transform["transforms"]
    assert flip["p"] == 0.25
    assert (dropout["hole_height_range"], dropout["fill"]) == ([16, 16], [127.5])
    check_rule(read_augmentation(f"{file}:make"), (32, 32, 3), CIFAR10_MEAN)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rare", "ToFloat makes float32 of uint8: take it out, since training normalises behind the pipeline itself"),
        (
            "tensor",
            "Normalize makes float32 of uint8: .*; ToTensorV2 makes a Tensor: take it out, since training makes",
        ),
        ("small", r"RandomCrop makes 24x16x3 of 32x32x3: keep the size, say by Resize\(32, 32\) at the end"),
        ("grey", "ToGray makes 32x32 of 32x32x3: keep the number of channels"),
        ("boxes", "Compose takes bbox_params, and images here have labels alone: leave bbox_params out"),
        ("own", "Mine is no transform that a study can keep: use albumentations' own transforms"),
        ("unseeded", "Blur differs from run to run under one seed: leave it out"),
        ("other", "Blur acts otherwise once albumentations has written it down and read it back: leave it out, or"),
        ("number", "not an albumentations pipeline: 'number' is int: name a Compose"),
        ("make,flap=1", "'make' takes no argument 'flap'"),
        ("large", "RandomCrop cannot be applied to images of 32x32x3: CropSizeError: .*: take it out, or give it"),
        ("boxed", "BBoxSafeRandomCrop cannot be applied to images of 32x32x3: KeyError: 'bboxes': take it out"),
        ("mixed", r"no transform of albumentations': 'mixed'\[1\] is NoneType: take it out"),
        ("nested", "its transforms cannot be composed: AttributeError: .*: give a Compose, or a list of transforms"),
        ("train,flip=1", "'train' is a finished pipeline: --augmentation-arg flip: leave it out"),
    ],
)
def test_what_cannot_be_trained_with_is_named(file: str, name: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=rf"^augmentation \S*own\.py:\w+: .*?{message}"):
        read_augmentation(f"{file}:{name}")


def test_settings_out_of_range_are_named(file: str) -> None:
    with pytest.raises(ModelFailedError, match="ValueError: InitSchema: p: Input should be less than or equal to 1 "):
        read_augmentation(f"{file}:certain,p=1.5")


def test_a_name_that_is_not_there_is_found_before_the_file_runs(file: str) -> None:
    with pytest.raises(UnusableInputError, match=r"^no such name in \S*own\.py: 'gone': did you mean "):
        read_augmentation(f"{file}:gone")


def test_the_user_s_code_raises_in_the_child_and_the_child_alone_runs_it(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("import os\n" + FILE + "\nopen('here', 'w').write(str(os.getpid()))\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(user_augmentation, "Sandbox", Sandbox)
        fork_guards(patch)
        assert kinds(read_augmentation("own.py:train")) == ["HorizontalFlip", "Rotate"]
        assert int(Path("here").read_text()) != os.getpid()
        with pytest.raises(ModelFailedError, match=r"^augmentation own.py:fails: .*ZeroDivisionError"):
            read_augmentation("own.py:fails")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gone.py:x", "cannot read the file: 'gone.py'"),
        ("own.py", "no NAME in target: 'own.py': write file.py:NAME"),
        ("assignment,flip=", "not key=value: 'flip=': write for example assignment,flip=0"),
        ("assignment,flip=0,flip=1", "augmentation 'assignment,flip=0,flip=1': flip is given twice: give it once"),
        ("assignment,flip", "no such augmentation: 'assignment,flip': did you mean assignment"),
    ],
)
def test_a_text_that_names_nothing(text: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        read_augmentation(text)


def test_options_of_one_that_ships() -> None:
    assert read_augmentation("seed, flip=0, dropout = 1") == shipped("seed", {"flip": 0, "dropout": 1})
    assert [is_file(text) for text in ("none", "assignment,flip=0.5", "a.py:b", "pipes.train", None)] == [
        False, False, True, True, False
    ]  # fmt: skip


def test_the_rule_names_each_breach_with_its_remedy() -> None:
    check_rule(shipped("assignment"), (32, 32, 3), CIFAR10_MEAN)
    with pytest.raises(
        UnusableInputError,
        match=r"^augmentation assignment breaks the rule 'augmentation': the horizontal flip is there but never",
    ):
        check_rule(shipped("assignment", {"flip": 0}), (32, 32, 3), CIFAR10_MEAN)
