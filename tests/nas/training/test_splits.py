"""Splits and statistics against arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constraints.errors import UnusableInputError
from nas.training import splits


@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=50)
def test_a_split_is_disjoint_complete_and_stratified(counts: list[int], share: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = splits.split(labels, validation_share=share, seed=seed)
    assert sorted([*parts.train, *parts.validation]) == list(range(len(labels)))
    for number, count in enumerate(counts):
        drawn = int((labels[parts.validation] == number).sum())
        assert abs(drawn - share * count) <= 1
        assert count == 1 or 1 <= drawn < count


def test_a_split_depends_on_its_seed_alone() -> None:
    labels = np.repeat([0, 1], 50)
    again = [splits.split(labels, seed=seed).validation.tolist() for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]
    assert len(again[0]) == 10


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_split_needs_a_share_between(share: float) -> None:
    with pytest.raises(UnusableInputError, match=f"validation_share is out of range: {share}"):
        splits.split(np.array([0, 1]), validation_share=share)


def test_channel_statistics_follow_the_chosen_images_alone() -> None:
    pixels = np.zeros((3, 2, 2, 2), dtype=np.uint8)
    pixels[0, ..., 0] = [[0, 0], [255, 255]]  # mean 1/2, deviation 1/2
    pixels[1, ..., 1] = 51  # channel 1 over images 0 and 1: half 0, half 0.2: mean 0.1, deviation 0.1
    pixels[2] = 255
    mean, std = splits.channel_statistics(pixels, np.array([0, 1]))
    np.testing.assert_allclose(mean, [1 / 4, 0.1])
    np.testing.assert_allclose(std, [np.sqrt(1 / 4 - 1 / 16), 0.1])


def test_a_channel_that_never_changes_has_a_deviation_to_divide_by() -> None:
    pixels = np.full((2, 2, 2, 2), 51, dtype=np.uint8)
    pixels[0, ..., 1] = 0
    mean, std = splits.channel_statistics(pixels, np.arange(2))
    np.testing.assert_allclose(mean, [0.2, 0.1])
    np.testing.assert_allclose(std, [1, 0.1])


def test_statistics_of_no_images_are_refused() -> None:
    with pytest.raises(UnusableInputError, match="no images to train on"):
        splits.channel_statistics(np.zeros((1, 2, 2, 3), dtype=np.uint8), np.array([], dtype=int))
