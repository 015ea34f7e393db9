"""Which transforms of a pipeline can run, of objects and of their ``to_dict()``."""

from __future__ import annotations

import os
from typing import Any

import pytest

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A

from constraints.augmentation_steps import Written, is_pipeline, transforms

NESTED = A.Compose([
    A.HorizontalFlip(p=1),
    A.Sequential([A.Blur(p=1), A.OneOf([A.Rotate(p=1), A.Transpose(p=1)], p=1)], p=1),
    A.VerticalFlip(p=0),
    A.Sequential([A.ToGray(p=1)], p=0),
    A.Normalize(p=0.5),
])  # fmt: skip


def test_only_a_pipeline_is_one() -> None:
    assert is_pipeline(NESTED)
    assert is_pipeline([A.HorizontalFlip()])
    assert is_pipeline(NESTED.to_dict())
    others: tuple[Any, ...] = (A.Compose, 3, "x", [], {"a": 1}, len)
    assert not any(map(is_pipeline, others))


@pytest.mark.parametrize("pipeline", [NESTED, NESTED.to_dict()], ids=["objects", "table"])
def test_what_can_run_comes_in_order_and_says_whether_every_image_sees_it(pipeline: Any) -> None:
    found = [(step.kinds[0], step.is_certain) for step in transforms(pipeline) if not step.never]
    assert found == [
        ("HorizontalFlip", True),
        ("Blur", True),
        ("Rotate", False),
        ("Transpose", False),
        ("Normalize", False),
    ]


@pytest.mark.parametrize("is_table", [False, True])
def test_what_never_runs_names_each_call_that_prevents_it(is_table: bool) -> None:
    inner = A.Sequential([A.SomeOf([A.Blur(p=1)], n=0), A.HorizontalFlip(p=0)], p=0)
    pipeline = A.Compose([A.VerticalFlip(p=0.1), inner, A.OneOf([A.ToGray(p=0), A.Transpose()])])
    found = {step.kinds[0]: step.never for step in transforms(pipeline.to_dict() if is_table else pipeline)}
    assert found == {
        "VerticalFlip": (),
        "Blur": ("Sequential(p=0)", "SomeOf(n=0)"),
        "HorizontalFlip": ("Sequential(p=0)", "HorizontalFlip(p=0)"),
        "ToGray": ("ToGray(p=0)",),
        "Transpose": (),
    }


def test_always_apply_of_version_1_outweighs_its_p() -> None:
    (step,) = transforms([{"__class_fullname__": "Blur", "always_apply": True, "p": 0}])
    assert (step.never, step.is_certain) == ((), True)


def test_a_dropout_has_the_defaults_of_the_version_that_its_names_are_of() -> None:
    (old,) = transforms([{"__class_fullname__": "CoarseDropout", "max_holes": 2}])
    (new,) = transforms([{"__class_fullname__": "CoarseDropout", "fill": 3}])
    assert (old.settings["max_holes"], old.settings["max_height"], old.settings["fill_value"]) == (2, 8, 0)
    assert (new.settings["num_holes_range"], new.settings["fill"], "max_holes" in new.settings) == ((1, 2), 3, False)


def test_a_call_is_read_as_version_1_reads_it() -> None:
    written = Written(args=(3, 16), kwargs={"fill_value": 7}, version="2.0.8")
    read = written.as_version_1()
    assert (read["max_holes"], read["max_height"], read["max_width"], read["fill_value"]) == (3, 16, 8, 7)


def test_code_of_the_users_own_is_marked() -> None:
    class Halve(A.ImageOnlyTransform):  # type: ignore[misc]  # albumentations has no types
        pass

    def halved(image: Any, **_: Any) -> Any:
        return image / 2

    steps = [A.Blur(), Halve(), A.Lambda(image=halved), A.Lambda(mask=halved), A.ToFloat()]
    assert [step.is_own for step in transforms(steps)] == [False, True, True, False, False]


def test_code_of_the_users_own_is_marked_in_a_serialised_pipeline() -> None:
    names = ["Blur", "albumentations.augmentations.blur.transforms.Blur", "mine.Halve", "Lambda"]
    steps = [{"__class_fullname__": name, "p": 1.0} for name in names]
    assert [step.is_own for step in transforms(steps)] == [False, False, True, True]
    written = A.to_dict(A.Compose([A.Blur(), A.ToFloat()]))["transform"]
    assert [step.is_own for step in transforms(written)] == [False, False]
