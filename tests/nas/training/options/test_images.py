"""Which values an epoch draws once for all its images, and how options grow along a training."""

from __future__ import annotations

import numpy as np
import pytest

from nas.training.options.images import ImageOptions

COUNT = 4_000


def mirrored(options: ImageOptions, number: int, seed: int = 3, *, is_shared: bool = False) -> np.ndarray:
    drawn = options.draw(COUNT, seed, number, is_shared=is_shared)
    assert drawn is not None
    assert drawn.mirrored is not None
    return drawn.mirrored.numpy()


def test_two_successive_epochs_show_every_image_both_ways() -> None:
    options = ImageOptions(alternating_flip=True, flip=True)
    first = mirrored(options, 0)

    assert abs(first.mean() - 0.5) < 0.05
    for number in range(5):
        assert np.array_equal(mirrored(options, number), first ^ bool(number % 2))
    assert not np.array_equal(mirrored(options, 0, seed=4), first)


def test_what_students_share_is_drawn_anew_in_each_epoch_and_the_same_on_a_repeat() -> None:
    options = ImageOptions(flip=True)

    assert options.draw(COUNT, 3, 0) is None, "drawn batch by batch"
    assert np.array_equal(mirrored(options, 1, is_shared=True), mirrored(options, 1, is_shared=True))
    assert not np.array_equal(mirrored(options, 1, is_shared=True), mirrored(options, 2, is_shared=True))


def test_windows_lie_anywhere_within_the_padding() -> None:
    options = ImageOptions(crop=2)

    assert options.draw(COUNT, 3, 0) is None
    drawn = options.draw(COUNT, 3, 0, is_shared=True)
    assert drawn is not None
    assert drawn.mirrored is None
    assert drawn.corners is not None
    assert tuple(drawn.corners.shape) == (2, COUNT)
    assert set(drawn.corners.flatten().tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 0.0), (0.125, 0.05), (0.25, 0.1), (0.5, 0.2), (0.75, 0.2), (1.0, 0.2)]
)
def test_mixup_grows_from_nothing_to_all_of_it(progress: float, share: float) -> None:
    assert ImageOptions(mixup=0.2, mixup_growth=0.5).mixup_at(progress) == pytest.approx(share)
    assert ImageOptions(mixup=0.2).mixup_at(progress) == 0.2


@pytest.mark.parametrize(
    ("share", "progress", "is_low"), [(0.0, 0.0, False), (0.5, 0.49, True), (0.5, 0.5, False), (1, 1, False)]
)
def test_low_resolution_is_a_beginning_of_the_training(share: float, progress: float, is_low: bool) -> None:
    assert ImageOptions(low_resolution=share).has_low_resolution(progress) == is_low
