"""Rule 6 on real albumentations pipelines, and on the parameters of version 1."""

import os
import warnings
from typing import Any

import numpy as np
import pytest

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
from albumentations.pytorch import ToTensorV2

from constraints.augmentation import CIFAR10_MEAN, judge_augmentation
from constraints.augmentation_steps import WRITTEN, Written

MEAN_255 = tuple(255 * m for m in CIFAR10_MEAN)
GOOD: dict[str, Any] = {
    "num_holes_range": (1, 1),
    "hole_height_range": (16, 16),
    "hole_width_range": (16, 16),
    "fill": MEAN_255,
    "fill_mask": None,
}
OLD: dict[str, Any] = {
    "max_holes": 1,
    "max_height": 16,
    "max_width": 16,
    "min_holes": 1,
    "min_height": 16,
    "min_width": 16,
    "fill_value": MEAN_255,
    "mask_fill_value": None,
}


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """Albumentations warns of what the tests do on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def pipeline(*, rotate: Any = None, **hole: Any) -> A.Compose:
    moved = rotate or A.ShiftScaleRotate()
    return A.Compose([A.HorizontalFlip(), moved, A.CoarseDropout(**(GOOD | hole)), A.Normalize()])


def version_1(**changes: Any) -> dict[str, Any]:
    """What version 1's ``to_dict()`` looks like."""
    transforms = [
        {"__class_fullname__": "HorizontalFlip", "always_apply": False, "p": 0.5},
        {
            "__class_fullname__": "albumentations.augmentations.geometric.transforms.ShiftScaleRotate",
            "p": 0.5,
            "shift_limit_x": (-0.06, 0.06),
            "shift_limit_y": (-0.06, 0.06),
            "scale_limit": (-0.1, 0.1),
            "rotate_limit": (-15, 15),
        },
        {"__class_fullname__": "CoarseDropout", "always_apply": False, "p": 0.5, **OLD, **changes},
    ]
    return {"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": transforms}}


def test_the_rule_is_kept_by_objects_and_by_their_parameters() -> None:
    for form in (pipeline(), pipeline().to_dict(), version_1()):
        verdict = judge_augmentation(form)
        assert verdict.ok, verdict.why
        assert verdict.value is True
        assert verdict.fix == ()


@pytest.mark.parametrize("fill", [MEAN_255, (125, 123, 114), 255 * sum(CIFAR10_MEAN) / 3])
def test_the_fill_is_the_mean_to_a_grey_level(fill: Any) -> None:
    assert judge_augmentation(pipeline(fill=fill)).ok


STD = (0.247, 0.243, 0.261)
OWN, IMAGENET = A.Normalize(CIFAR10_MEAN, STD), A.Normalize()
IN_IMAGENET = tuple(
    (m - n) / s for m, n, s in zip(CIFAR10_MEAN, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
)
"""CIFAR-10's mean as ImageNet's normalisation leaves it."""


@pytest.mark.parametrize(
    ("before", "fill", "holds"),
    [
        ([], CIFAR10_MEAN, False),  # on images of 0 to 255 this is black
        ([], 0.4734, False),
        ([A.ToFloat()], CIFAR10_MEAN, True),
        ([A.ToFloat()], MEAN_255, False),
        ([A.ToFloat(), A.FromFloat()], MEAN_255, True),
        ([OWN], 0, True),
        ([OWN], (0.0, 0.0, 0.0), True),
        ([OWN], CIFAR10_MEAN, False),
        ([OWN], MEAN_255, False),
        ([A.Sequential([OWN], p=1)], 0, True),
        ([A.Sequential([OWN])], 0, False),
        ([IMAGENET], IN_IMAGENET, True),
        ([IMAGENET], 0, False),
        ([A.ToFloat(), A.Normalize(CIFAR10_MEAN, STD, max_pixel_value=1.0)], 0, True),
        ([A.Normalize(CIFAR10_MEAN, STD, p=0.5)], 0, False),
        ([A.OneOf([OWN, A.Blur()], p=1)], 0, False),
        ([A.Normalize(normalization="min_max")], 0, False),
    ],
)
def test_the_fill_is_read_in_the_scale_at_its_place(before: list[Any], fill: Any, holds: bool) -> None:
    hole = A.CoarseDropout(**(GOOD | {"fill": fill}))
    assert judge_augmentation(A.Compose([*before, A.HorizontalFlip(), A.ShiftScaleRotate(), hole])).ok is holds


def test_the_remedy_is_in_the_scale_at_its_place() -> None:
    wrong = A.CoarseDropout(**(GOOD | {"fill": 1.0}))
    parts = [A.HorizontalFlip(), A.ShiftScaleRotate()]
    assert judge_augmentation([OWN, *parts, wrong]).fix == ("fill=0 on normalised images",)
    assert judge_augmentation([*parts, wrong]).fix == ("fill=(125, 123, 114) on images of 0 to 255",)
    sometimes = judge_augmentation([A.Normalize(p=0.5), *parts, wrong])
    assert sometimes.why == "its fill 1.0 cannot be judged: Normalize before it does not run on every image"


def test_what_comes_after_the_end_does_not_work() -> None:
    late = A.Compose([A.HorizontalFlip(), ToTensorV2(), A.ShiftScaleRotate(), A.CoarseDropout(**GOOD)])
    why = judge_augmentation(late).why
    assert "ShiftScaleRotate comes after ToTensorV2" in why
    assert "CoarseDropout comes after ToTensorV2" in why
    assert "HorizontalFlip" not in why


@pytest.mark.parametrize("fill", [0, 255, (0.5, 0.5, 0.5), (127, 123, 114), (114, 123, 125), "random"])
def test_another_fill_is_not_the_mean(fill: Any) -> None:
    verdict = judge_augmentation(pipeline(fill=fill))
    assert not verdict.ok
    assert "is not the data set's mean" in verdict.why


def test_the_mean_is_the_given_data_sets() -> None:
    assert judge_augmentation(pipeline(fill=(10, 20, 30)), (10 / 255, 20 / 255, 30 / 255)).ok


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"num_holes_range": (1, 2)}, "cuts 1 to 2 holes"),
        ({"hole_height_range": (15, 16)}, "15 to 16 px in height"),
        ({"hole_width_range": (17, 17)}, "17 px in width"),
        ({"fill_mask": 0}, "fills masks with 0"),
    ],
)
def test_each_setting_of_the_hole_counts(change: dict[str, Any], why: str) -> None:
    verdict = judge_augmentation(pipeline(**change))
    assert not verdict.ok
    assert why in verdict.why
    assert len(verdict.fix) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"max_holes": 2}, "cuts 1 to 2 holes"),
        ({"max_holes": 2, "min_holes": None}, "cuts 2 holes"),
        ({"min_height": 8}, "8 to 16 px in height"),
        ({"fill_value": 0}, "fill 0 is not"),
        ({"mask_fill_value": 1}, "fills masks with 1"),
    ],
)
def test_each_setting_counts_in_the_names_of_version_1(change: dict[str, Any], why: str) -> None:
    verdict = judge_augmentation(version_1(**change))
    assert not verdict.ok
    assert why in verdict.why


def test_holes_may_be_fractions_of_the_image() -> None:
    half = pipeline(hole_height_range=(0.5, 0.5), hole_width_range=(0.5, 0.5))
    assert judge_augmentation(half, image=(32, 32)).ok
    assert "32 px in height" in judge_augmentation(half, image=(64, 32)).why


def test_fractions_refer_to_the_image_at_their_place() -> None:
    quarter = A.CoarseDropout(**(GOOD | {"hole_height_range": (0.25, 0.25), "hole_width_range": (0.25, 0.25)}))
    parts = [A.HorizontalFlip(), A.ShiftScaleRotate()]
    assert judge_augmentation([*parts, A.PadIfNeeded(64, 64), quarter, A.CenterCrop(32, 32)]).ok
    assert not judge_augmentation([*parts, A.PadIfNeeded(64, 64), A.CenterCrop(32, 32), quarter]).ok


@pytest.mark.parametrize(
    ("changes", "refused", "why"),
    [
        ({}, "", "holds under albumentations 1, not under the installed 2.0.8, which ignores max_holes"),
        ({"max_holes": 3}, "", r"does not hold (CoarseDropout cuts 1 to 3 holes) under albumentations 1, nor under"),
        (
            {},
            "p: too large",
            "holds under albumentations 1, not under the installed 2.0.8, which rejects the call: p: ",
        ),
        (
            {"fill_value": CIFAR10_MEAN},
            "",
            "holds under albumentations 1, but for the scale of its fill, not under the",
        ),
        ({"fill_value": CIFAR10_MEAN}, "", "; its fill (0.4914, 0.4822, 0.4465) is not the data set's mean"),
    ],
)
def test_a_call_in_the_names_of_version_1_is_judged_by_both(changes: dict[str, Any], refused: str, why: str) -> None:
    built = A.CoarseDropout(**OLD)
    vars(built)[WRITTEN] = Written(args=(), kwargs=OLD | changes, version="2.0.8", refused=refused)
    verdict = judge_augmentation([A.HorizontalFlip(), A.ShiftScaleRotate(), built])
    assert not verdict.ok
    assert why in verdict.why


def test_old_names_given_to_version_2_are_reported_as_what_they_do() -> None:
    built = A.Compose([A.HorizontalFlip(), A.ShiftScaleRotate(), A.CoarseDropout(**OLD)])
    verdict = judge_augmentation(built)
    assert not verdict.ok
    assert "ignores max_holes, max_height" in verdict.why
    assert "cuts 1 to 2 holes of 0.1 to 0.2 by 0.1 to 0.2 of the image, filled with 0.0" in verdict.why


def test_always_apply_changes_nothing_of_a_dropout() -> None:
    built = A.CoarseDropout(**GOOD, always_apply=True)
    assert judge_augmentation([A.HorizontalFlip(), A.ShiftScaleRotate(), built]).ok


def test_a_dropout_in_front_of_unknown_code_is_right_with_the_fill_of_its_remedy() -> None:
    moved, own = [A.HorizontalFlip(), A.ShiftScaleRotate()], A.Lambda(image=lambda image, **_: image / 255)
    verdict = judge_augmentation([own, *moved, A.CoarseDropout(**(GOOD | {"fill": CIFAR10_MEAN}))])
    assert verdict.fix == ("move CoarseDropout to the front, with fill=(125, 123, 114)",)
    assert judge_augmentation([A.CoarseDropout(**(GOOD | {"fill": (125, 123, 114)})), own, *moved]).ok


def test_nested_compositions_are_opened() -> None:
    moved = A.OneOf([A.ShiftScaleRotate(), A.Blur()], p=1)
    nested = A.Compose([A.Sequential([A.HorizontalFlip(), A.SomeOf([moved, A.CoarseDropout(**GOOD)], n=2)])])
    assert judge_augmentation(nested).ok


def test_affine_stands_in_for_shift_scale_rotate() -> None:
    whole = A.Affine(translate_percent=0.1, scale=(0.9, 1.1), rotate=(-15, 15))
    assert judge_augmentation(pipeline(rotate=whole)).ok
    part = judge_augmentation(pipeline(rotate=A.Affine(rotate=(-15, 15))))
    assert part.why == "the shift-scale-rotate does not shift or scale"


def test_a_shift_scale_rotate_that_does_nothing_is_none() -> None:
    still = A.ShiftScaleRotate(shift_limit=0, scale_limit=0, rotate_limit=0)
    assert not judge_augmentation(pipeline(rotate=still)).ok


def test_what_never_runs_is_there_but_never_applied() -> None:
    never = A.Compose([A.HorizontalFlip(p=0), A.OneOf([A.ShiftScaleRotate()], p=0), A.CoarseDropout(**GOOD)])
    verdict = judge_augmentation(never)
    assert verdict.why == (
        "the horizontal flip is there but never applied: HorizontalFlip(p=0); "
        "the shift-scale-rotate is there but never applied: OneOf(p=0) around ShiftScaleRotate"
    )
    assert verdict.fix == ("HorizontalFlip(p=0.5)", "OneOf(p=1) around ShiftScaleRotate")


def test_a_dropout_that_never_runs_is_judged_by_its_settings_too() -> None:
    moved = [A.HorizontalFlip(), A.ShiftScaleRotate()]
    verdict = judge_augmentation([*moved, A.CoarseDropout(**(GOOD | {"fill": 0}), p=0)])
    assert verdict.why.startswith("the coarse dropout is there but never applied: CoarseDropout(p=0); its fill 0.0 is")
    assert len(verdict.fix) == 2


def test_what_never_runs_changes_nothing_for_what_runs() -> None:
    idle = [A.HorizontalFlip(p=0), A.Normalize(p=0), A.CoarseDropout(fill=0, p=0), A.Affine(rotate=5, p=0)]
    assert judge_augmentation([*idle, A.HorizontalFlip(), A.ShiftScaleRotate(), A.CoarseDropout(**GOOD)]).ok


def test_an_empty_pipeline_breaks_every_part() -> None:
    verdict = judge_augmentation(A.Compose([A.VerticalFlip(), A.GridDropout()]))
    assert verdict.why == "no horizontal flip; no shift-scale-rotate; no coarse dropout"
    assert len(verdict.fix) == 3


def test_the_remedies_fix_it() -> None:
    verdict = judge_augmentation(pipeline(num_holes_range=(2, 3), fill=0))
    fixed = eval(f"dict({', '.join(f.partition(' on ')[0] for f in verdict.fix)})")  # our own text
    assert judge_augmentation(pipeline(**fixed)).ok


@pytest.mark.parametrize(
    ("height", "width", "ok"),
    [((16.0, 16.0), (16.0, 16.0), True), ((0.5, 0.5), (0.5, 0.5), True), ((16, 16), (0.5, 0.5), False)],
)
def test_the_height_s_upper_end_says_whether_holes_are_pixels_or_shares(
    height: tuple[float, float], width: tuple[float, float], ok: bool
) -> None:
    dropout = A.CoarseDropout(
        num_holes_range=(1, 1), hole_height_range=height, hole_width_range=width, fill=MEAN_255, fill_mask=None, p=1
    )
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    cut = A.Compose([dropout], seed=0)(image=image)["image"].any(axis=2)
    assert (cut.sum() == 16 * 16) == ok
    verdict = judge_augmentation([A.HorizontalFlip(), A.ShiftScaleRotate(), dropout])
    assert verdict.ok == ok, verdict.why
