"""Groups, rates and Muon's matrices."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training.optimisers import Optimisers, hidden_filters
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe

NETWORK = "BR/c4-c8-dw-pw8s2/c8g4-+c8-pw10/gap"
MUON = Phase(optimiser="muon", peak_lr=0.05, rest_lr=0.2, weight_decay=0.01, momentum=0.9)


def network() -> nn.Module:
    """A small network in channels_last, as the training has it."""
    torch.manual_seed(0)
    return build(parse(NETWORK)).to(memory_format=torch.channels_last)


def recipe(phase: Phase, norm_bias_lr: float) -> Recipe:
    return Recipe(name="own", phases=(phase,), norm_bias_lr=norm_bias_lr)


def with_gradients(model: nn.Module) -> nn.Module:
    """The gradients of some loss."""
    torch.manual_seed(1)
    model(torch.randn(4, 3, 8, 8)).square().sum().backward()
    return model


def test_hidden_filters_are_the_dense_ones_between_first_and_classifier() -> None:
    model = network()
    shapes = [tuple(weight.shape) for weight in hidden_filters(model)]
    assert shapes == [(8, 4, 3, 3), (8, 8, 1, 1), (8, 8, 3, 3)]  # no grouped or depthwise ones


def test_muon_moves_the_filters_themselves_by_an_orthogonal_step() -> None:
    model = with_gradients(network())
    optimisers = Optimisers(model, recipe(MUON, 1.0))
    weight = hidden_filters(model)[0]
    before = weight.detach().clone()
    optimisers.set_rate(0.03)
    optimisers.step()
    moved = (before * (1 - 0.03 * 0.01) - weight).detach()
    # Newton-Schulz leaves singular values near 1, within 0.5 to 1.5 (torch's Muon); the rate scales them.
    singular = torch.linalg.svdvals(moved.permute(0, 2, 3, 1).flatten(1)) / 0.03
    assert ((singular > 0.5) & (singular < 1.5)).all()


def test_what_muon_leaves_learns_by_sgd_at_its_own_rate() -> None:
    model = with_gradients(network())
    optimisers = Optimisers(model, recipe(MUON, 3.0))
    optimisers.set_rate(0.025)  # half the peak: half of rest_lr for all but norms and biases
    first, scale = next(model.parameters()), next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).weight
    before = [p.detach().clone() for p in (first, scale)]
    assert first.grad is not None
    assert scale.grad is not None
    optimisers.step()
    # The first step of Nesterov's momentum is (1 + momentum) times the gradient.
    torch.testing.assert_close(first, before[0] - 0.1 * 1.9 * first.grad)
    torch.testing.assert_close(scale, before[1] - 0.3 * 1.9 * scale.grad)


def test_what_muon_leaves_decays_by_its_own_share_norms_and_biases_aside() -> None:
    first = nn.Conv2d(3, 4, 1)
    model = nn.Sequential(first, nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(4, 2))
    phase = replace(MUON, rest_weight_decay=0.5, momentum=0.0)
    optimisers = Optimisers(model, Recipe(name="own", phases=(phase,)))
    assert first.bias is not None
    weight, bias = first.weight.detach().clone(), first.bias.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimisers.set_rate(0.05)  # Muon's peak: the rest learns at its own, 0.2
    optimisers.step()
    torch.testing.assert_close(first.weight.detach(), weight * (1 - 0.2 * 0.5))
    torch.testing.assert_close(first.bias.detach(), bias)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "muon"])
def test_a_restored_state_continues_equally(kind: str) -> None:
    phase = Phase(optimiser=kind, peak_lr=0.01)  # type: ignore[arg-type]
    left, right = with_gradients(network()), with_gradients(network())
    first, second = (Optimisers(model, recipe(phase, 2.0)) for model in (left, right))
    for _ in range(2):
        first.step()
    second.step()
    third = Optimisers(right, recipe(phase, 2.0))
    third.restore(second.state())
    third.step()
    for a, b in zip(left.parameters(), right.parameters(), strict=True):
        assert torch.equal(a, b)


def test_gradients_are_dropped() -> None:
    model = with_gradients(network())
    Optimisers(model, recipe(MUON, 1.0)).clear()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_frozen_weights_stay() -> None:
    model = network()
    frozen = hidden_filters(model)[1]
    frozen.requires_grad_(False)
    before = frozen.detach().clone()
    optimisers = Optimisers(with_gradients(model), recipe(MUON, 1.0))
    optimisers.step()
    assert torch.equal(frozen, before)
    assert len(optimisers.matrices) == 2


def test_only_what_reads_its_rate_on_the_device_may_be_captured() -> None:
    kinds = ("sgd", "adam", "adamw", "muon")
    made = [Optimisers(network(), recipe(Phase(optimiser=kind), 1.0)) for kind in kinds]  # type: ignore[arg-type]
    assert [optimisers.is_capturable for optimisers in made] == [True, True, True, False]


def test_rates_kept_on_the_device_are_each_group_s_own() -> None:
    optimisers = Optimisers(network(), recipe(Phase(peak_lr=0.2), 3.0), capturable=True)
    places = [group["lr"] for group in optimisers.members[0].param_groups]
    optimisers.set_rate(0.05)
    assert [float(place) for place in places] == pytest.approx([0.05, 0.15])
    assert [group["lr"] is place for group, place in zip(optimisers.members[0].param_groups, places, strict=True)] == [
        True,
        True,
    ]  # a captured graph reads these very tensors
