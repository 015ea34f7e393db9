"""Which initial weights a recipe's options compute, and from which images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from nas.training.given_model import GivenModel
from nas.training.initialisation import SAMPLE
from nas.training.options.first_weights import FirstWeightOptions


@pytest.fixture
def images() -> Callable[[], torch.Tensor]:
    """Images without any one direction in which they do not vary."""
    return lambda: torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def no_images() -> torch.Tensor:
    raise AssertionError("the images are needed only to whiten")


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 54, 3, padding=1), nn.ReLU(), nn.Conv2d(54, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def changed(model: nn.Module, options: FirstWeightOptions, sample: Callable[[], torch.Tensor]) -> list[str]:
    """The weights that are initialised in another way than torch's own."""
    before = {name: value.detach().clone() for name, value in model.state_dict().items()}
    options.initialise(model, sample)
    return [name for name, value in model.state_dict().items() if not torch.equal(before[name], value)]


def test_without_options_nothing_is_changed_and_no_image_read() -> None:
    assert changed(network(), FirstWeightOptions(), no_images) == []


def test_whitening_is_of_the_first_convolution_which_is_frozen(images: Callable[[], torch.Tensor]) -> None:
    model = network()
    assert changed(model, FirstWeightOptions(whitening=True), images) == ["0.weight"]
    assert [p.requires_grad for p in model.parameters()][:3] == [False, True, True]


def test_passing_on_is_of_the_convolutions_between_and_reads_no_image() -> None:
    model = network()
    assert changed(model, FirstWeightOptions(dirac=True), no_images) == ["2.weight"]
    image = torch.randn(1, 54, 5, 5)
    assert torch.allclose(nn.functional.conv2d(image, model.get_parameter("2.weight"), padding=1)[:, :54], image)


def test_both_may_be_asked_for(images: Callable[[], torch.Tensor]) -> None:
    assert changed(network(), FirstWeightOptions(whitening=True, dirac=True), images) == ["0.weight", "2.weight"]


@pytest.mark.parametrize(("spread", "filters"), [(True, 18), (False, 54)])
def test_directions_in_which_grey_images_do_not_vary_are_left_out_where_asked(spread: bool, filters: int) -> None:
    """Three equal channels have 9 components instead of 27, each with both signs; one filter more is left as it was."""
    grey = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    model = network()
    before = model.get_parameter("0.weight").detach().clone()
    FirstWeightOptions(whitening=True, whitening_spread=spread).initialise(model, lambda: grey)
    same = model.get_parameter("0.weight").eq(before).flatten(1).all(1)
    assert int((~same).sum()) == filters


@pytest.mark.parametrize("first", ["", "0", "2"])
def test_in_a_users_model_only_what_reads_the_images_is_whitened(first: str) -> None:
    model = GivenModel(network(), 10)
    model.first = f"model.{first}" if first else ""
    shown = 54 if first == "2" else 3
    sample = lambda: torch.randn(64, shown, 8, 8, generator=torch.Generator().manual_seed(0))  # noqa: E731
    options = FirstWeightOptions(whitening=True, dirac=True)
    expected = ["model.0.weight"] if first == "0" else []  # layer 2 has too few filters for its patches
    assert changed(model, options, sample if first else no_images) == expected


@pytest.mark.parametrize("count", [0, 1, SAMPLE - 1, SAMPLE, SAMPLE + 1, 3 * SAMPLE])
def test_no_more_images_are_sampled_than_needed(count: int) -> None:
    labels = np.arange(count) % 10
    for spread in (True, False):
        found = FirstWeightOptions(whitening_spread=spread).sampled(labels)
        assert len(found) == len(set(found.tolist())) == min(count, SAMPLE)
        assert np.array_equal(found, np.sort(found))


def test_images_that_are_sorted_by_class_are_sampled_from_all_of_them_where_asked() -> None:
    labels = np.repeat(np.arange(4), SAMPLE)
    assert set(labels[FirstWeightOptions().sampled(labels)]) == {0}
    assert np.bincount(labels[FirstWeightOptions(whitening_spread=True).sampled(labels)]).tolist() == [SAMPLE // 4] * 4
