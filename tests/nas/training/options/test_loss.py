"""The loss of a batch, by the formulas of the softmax."""

from __future__ import annotations

import math

import pytest
import torch

from nas.training.options.loss import LossOptions

LOGITS = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
"""Probabilities of 3/4 and 1/4, and of a half each."""
LABELS = torch.tensor([0, 1])
RIGHT, WRONG = math.log(4 / 3), math.log(4.0)
"""The first image's loss where its label is 0, and where it is 1; the second image's is log 2 either way."""
HALF = math.log(2.0)


def loss(targets: torch.Tensor | None = None, **options: float) -> float:
    return LossOptions(**options).loss(LOGITS, LABELS, targets).item()


def test_it_is_the_mean_cross_entropy() -> None:
    assert loss() == pytest.approx((RIGHT + HALF) / 2)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_smoothing_spreads_a_share_of_each_label_over_all_classes(share: float) -> None:
    first = (1 - share / 2) * RIGHT + share / 2 * WRONG
    assert loss(label_smoothing=share) == pytest.approx((first + HALF) / 2)


def test_a_teacher_that_agrees_adds_nothing_to_what_its_share_takes() -> None:
    assert loss(LOGITS, distillation=1.0) == pytest.approx(0.0, abs=1e-6)
    assert loss(LOGITS, distillation=0.25) == pytest.approx(0.75 * loss(), rel=1e-5)
    assert loss(LOGITS + 7.0, distillation=0.25) == pytest.approx(0.75 * loss(), rel=1e-4), "only differences count"


def test_no_share_of_a_teacher_is_the_plain_loss() -> None:
    assert loss(-LOGITS, distillation=0.0) == pytest.approx(loss())


@pytest.mark.parametrize("temperature", [1.0, 2.0, 8.0])
def test_a_teachers_part_is_the_divergence_at_the_temperature(temperature: float) -> None:
    """Of (p, 1 - p) from the teacher's (1 - p, p): (1 - 2p) log((1 - p) / p), times the temperature squared."""
    p = 1 / (1 + math.exp(-math.log(3.0) / temperature))
    divergence = (2 * p - 1) * math.log(p / (1 - p))
    expected = temperature**2 * divergence / 2  # the second image's is 0
    assert loss(-LOGITS, distillation=1.0, temperature=temperature) == pytest.approx(expected, rel=1e-5)


def test_halves_of_a_teacher_are_read_in_full_precision() -> None:
    assert loss(-LOGITS.half(), distillation=1.0) == pytest.approx(loss(-LOGITS, distillation=1.0), rel=1e-2)
