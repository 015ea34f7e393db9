"""The pipelines that ship keep rule 6 and do what they say."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.augmentation import judge_augmentation
from constraints.errors import UnusableInputError
from nas.training import augmentation

MEAN = (0.4914, 0.4822, 0.4465)


@pytest.mark.parametrize("name", ["assignment", "seed"])
def test_the_shipped_pipelines_keep_the_rule(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline = augmentation.PIPELINES[name](MEAN)
    verdict = judge_augmentation(pipeline, MEAN)
    assert verdict.ok, verdict.why


@given(st.lists(st.integers(0, 255), min_size=3, max_size=3), st.sampled_from(["assignment", "seed"]))
def test_they_keep_it_whatever_the_mean_of_the_data(levels: list[int], name: str) -> None:
    mean = tuple(level / 255 for level in levels)
    for channels in (3, 1):
        assert judge_augmentation(augmentation.PIPELINES[name](mean[:channels]), mean[:channels]).ok


def test_none_breaks_the_rule() -> None:
    assert not judge_augmentation(augmentation.none(MEAN), MEAN).ok


@pytest.mark.parametrize("size", [(32, 32), (20, 12)])
def test_one_hole_of_half_the_side_is_filled_with_the_mean(size: tuple[int, int]) -> None:
    pipeline = augmentation.assignment(MEAN, image_size=size, flip=0, shift_scale_rotate=0, dropout=1)
    pipeline.set_random_seed(0)
    filled = [round(255 * value) for value in MEAN]
    for _ in range(20):
        image = pipeline(image=np.zeros((*size, 3), dtype=np.uint8))["image"]
        rows, columns = np.nonzero(image.any(axis=2))
        assert [int(np.ptp(axis)) + 1 for axis in (rows, columns)] == [side // 2 for side in size]
        assert np.abs(image[rows, columns].astype(int) - filled).max() <= 1
        assert len(rows) == size[0] * size[1] // 4


def test_the_flip_mirrors_left_and_right() -> None:
    image = np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3)
    pipeline = augmentation.assignment(MEAN, flip=1, shift_scale_rotate=0, dropout=0)
    np.testing.assert_array_equal(pipeline(image=image)["image"], image[:, ::-1])


@pytest.mark.parametrize(("name", "channels"), [("assignment", 1), ("seed", 1), ("seed", 3)])
def test_grey_and_coloured_images_keep_their_shape(name: str, channels: int) -> None:
    pipeline = augmentation.PIPELINES[name](MEAN[:channels], image_size=(28, 28))
    image = np.random.default_rng(0).integers(0, 256, (28, 28, channels), dtype=np.uint8)
    for _ in range(20):
        assert pipeline(image=image)["image"].shape == (28, 28, channels)


def test_a_pipeline_is_named_by_what_differs_from_the_one_that_ships() -> None:
    assert augmentation.shipped("assignment", {}).text == "assignment"
    assert augmentation.shipped("assignment", {"flip": 0.2}).text == "assignment,flip=0.2"
    assert augmentation.Augmentation(name="mine.py:make").text == "mine.py:make"


def test_options_go_over_the_usual_probabilities() -> None:
    found = augmentation.shipped("assignment", {"flip": 0})
    assert found.probabilities == {"flip": 0.0, "shift_scale_rotate": 0.25, "dropout": 0.1}
    assert augmentation.shipped("none").probabilities == {}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("asignment", {}, "no such augmentation: 'asignment': did you mean assignment?"),
        ("x", {}, "no such augmentation: 'x': give assignment, seed, none or FILE.py:NAME"),
        ("assignment", {"flp": 0}, "augmentation assignment: no such option: 'flp': it has flip, shift_scale_rotate, "),
        ("none", {"flip": 0}, "augmentation none: no such option: 'flip': it has none"),
        ("seed", {"flip": 1.5}, "augmentation seed: no probability: 'flip=1.5': give 0 to 1"),
        ("seed", {"flip": True}, "augmentation seed: no probability: 'flip=True': give 0 to 1"),
        ("seed", {"flip": "a"}, "augmentation seed: no probability: 'flip=a': give 0 to 1"),
    ],
)
def test_options_that_there_are_not(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UnusableInputError) as raised:
        augmentation.shipped(name, options)
    assert str(raised.value).startswith(message)


def test_two_of_a_user_s_are_the_same_by_what_they_hold() -> None:
    def own(name: str, p: float) -> augmentation.Augmentation:
        return augmentation.Augmentation(name=name, transform={"p": p})

    assert own("a.py:x", 0.5).is_same(own("b.py:y", 0.5))
    assert not own("a.py:x", 0.5).is_same(own("a.py:x", 0.4))
    assert not own("seed", 0.5).is_same(augmentation.shipped("seed"))
    assert augmentation.shipped("seed").is_same(augmentation.shipped("seed", {"flip": 0.5}))
    assert not augmentation.shipped("seed").is_same(augmentation.shipped("seed", {"flip": 0}))
