"""Whitened patches have the identity as their covariance; passed-on channels arrive unchanged."""

import numpy as np
import pytest
import torch
from torch import nn

from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training.given_model import GivenModel
from nas.training.initialisation import LEAST_DEVIATION, SAMPLE, pass_on, spread, whiten
from nas.training.recipes import Recipe


@pytest.fixture
def images() -> torch.Tensor:
    """Images whose neighbouring pixels and channels are strongly correlated."""
    torch.manual_seed(0)
    rough = torch.randn(200, 3, 12, 12)
    smooth = nn.functional.avg_pool2d(rough, 3, 1)
    return smooth + 0.5 * smooth.flip(1) + 0.05 * torch.randn_like(smooth)


def test_responses_are_uncorrelated_and_come_with_both_signs(images: torch.Tensor) -> None:
    conv = nn.Conv2d(3, 32, 3, bias=False)
    whiten(nn.Sequential(conv, nn.ReLU()), images)
    responses = conv(images).transpose(0, 1).flatten(1).detach()
    torch.testing.assert_close(responses[:16], -responses[16:])
    covariance = responses[:16] @ responses[:16].T / responses.shape[1]
    # Every deviation gets EPSILON on top, so that responses vary a little less than 1.
    torch.testing.assert_close(covariance, torch.eye(16), atol=0.02, rtol=0)


def test_the_filters_are_frozen_and_those_beyond_the_components_kept(images: torch.Tensor) -> None:
    conv = nn.Conv2d(3, 60, 3, bias=False)
    before = conv.weight.detach().clone()
    whiten(nn.Sequential(conv), images)
    assert not conv.weight.requires_grad
    assert torch.equal(conv.weight[54:], before[54:])  # 27 components of 3 x 3 x 3 pixels, twice
    assert not torch.isclose(conv.weight[:54], before[:54]).all(dim=(1, 2, 3)).any()


@pytest.mark.parametrize(
    "first", [nn.Linear(3, 27), nn.Conv2d(3, 27, 3, groups=3), nn.Conv2d(3, 26, 3)], ids=["linear", "grouped", "narrow"]
)
def test_a_first_layer_that_cannot_hold_the_components_is_left_alone(first: nn.Module, images: torch.Tensor) -> None:
    before = [parameter.detach().clone() for parameter in first.parameters()]
    whiten(nn.Sequential(first, nn.Conv2d(27, 40, 3)), images)
    for parameter, value in zip(first.parameters(), before, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.requires_grad


def test_behind_an_unshuffle_the_patches_are_of_what_it_makes(images: torch.Tensor) -> None:
    conv = nn.Conv2d(12, 24, 1, bias=False)
    whiten(nn.Sequential(nn.PixelUnshuffle(2), conv), images[..., :10, :10])
    responses = conv(nn.functional.pixel_unshuffle(images[..., :10, :10], 2)).transpose(0, 1).flatten(1).detach()
    covariance = responses[:12] @ responses[:12].T / responses.shape[1]
    torch.testing.assert_close(covariance, torch.eye(12), atol=0.02, rtol=0)


def test_channels_are_passed_on() -> None:
    network = build(parse("R/c4-c8-c8s2/c8-+c8-dw-pw8-c12/fc"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pass_on(network)
    convs = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    names = list(convs)
    changed = [n for n in names if not torch.equal(before[f"{n}.weight"], convs[n].weight)]
    assert changed == [names[1], names[2], names[3], names[6]]  # not the first, a residual one, dw or the last
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(convs[names[1]](x)[:, :4], x)
    assert torch.equal(convs[names[1]].weight[4:], before[f"{names[1]}.weight"][4:])


def test_a_recipe_says_what_is_begun_with(images: torch.Tensor) -> None:
    def unwanted() -> torch.Tensor:
        raise AssertionError("nothing is whitened")

    convs = [nn.Conv2d(3, 32, 3, bias=False), nn.Conv2d(32, 33, 1), nn.Conv2d(33, 2, 1)]
    model = nn.Sequential(*convs)
    before = [conv.weight.detach().clone() for conv in convs]
    Recipe(name="own").initialise(model, unwanted)
    assert all(torch.equal(conv.weight, then) for conv, then in zip(convs, before, strict=True))
    Recipe(name="own", dirac=True).initialise(model, unwanted)
    torch.testing.assert_close(convs[1].weight[:32, :, 0, 0], torch.eye(32))
    assert convs[0].weight.requires_grad
    Recipe(name="own", whitening=True).initialise(model, lambda: images)
    assert not convs[0].weight.requires_grad


def test_grey_images_in_three_channels_have_as_many_components_as_grey_ones(images: torch.Tensor) -> None:
    grey = images[:, :1].expand(-1, 3, -1, -1)
    conv = nn.Conv2d(3, 60, 3, bias=False)
    before = conv.weight.detach().clone()
    whiten(nn.Sequential(conv), grey, least=LEAST_DEVIATION)
    assert torch.equal(conv.weight[18:], before[18:]), "9 components of 3 x 3 pixels, twice"
    responses = conv(grey)[:, :9].transpose(0, 1).flatten(1).detach()
    covariance = responses @ responses.T / responses.shape[1]
    torch.testing.assert_close(covariance, torch.eye(9), atol=0.02, rtol=0)
    rounded = conv.bfloat16()(grey.bfloat16()).float()[:, :9].transpose(0, 1).flatten(1).detach()
    assert (rounded - responses).std() < 0.05, "what is learnt in bfloat16 holds in float32"


def test_the_first_convolution_of_a_person_s_own_model_is_whitened_by_the_same_directions(images: torch.Tensor) -> None:
    conv = nn.Conv2d(3, 60, 3, bias=False)
    model = GivenModel(nn.Sequential(conv), 2)
    model.first = "model.0"
    before = conv.weight.detach().clone()
    grey = images[:, :1].expand(-1, 3, -1, -1)
    Recipe(name="new", whitening=True, whitening_spread=True).initialise(model, lambda: grey)
    assert torch.equal(conv.weight[18:], before[18:]), "9 components of 3 x 3 pixels, twice"
    assert not torch.equal(conv.weight[:18], before[:18])


def test_a_sample_holds_as_many_of_each_class_as_there_are() -> None:
    labels = np.repeat([0, 1, 2], [50, 400, 3])
    chosen = spread(labels, 103)
    assert np.bincount(labels[chosen]).tolist() == [50, 50, 3]
    assert np.all(np.diff(chosen) > 0)
    assert np.array_equal(chosen, spread(labels, 103))
    assert not np.array_equal(chosen, spread(labels, 103, seed=1))
    assert spread(labels, 10_000).tolist() == list(range(453))


def test_a_recipe_of_an_earlier_release_keeps_the_first_images() -> None:
    labels = np.repeat(np.arange(10), 500)
    old = Recipe(name="old", whitening=True)
    assert old.sampled(labels).tolist() == list(range(SAMPLE))
    new = Recipe(name="new", whitening=True, whitening_spread=True).sampled(labels)
    assert np.bincount(labels[new]).tolist() == [SAMPLE // 10] * 10
    assert old.sampled(labels[:3]).tolist() == [0, 1, 2]
