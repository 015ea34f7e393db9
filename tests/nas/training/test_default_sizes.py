"""Batch size and epochs by the size of the data; expected values by hand."""

from __future__ import annotations

import pytest

from nas.training.default_sizes import ENOUGH, Sizing, sentence, sizing

USUAL = Sizing(batch_size=128, epochs=20)


@pytest.mark.parametrize(
    ("images", "batch_size", "epochs", "steps"),
    [
        (45_000, 128, 20, 7_020),  # CIFAR-10: 351 steps an epoch
        (6_400, 128, 20, 1_000),  # 50 an epoch, just enough
        (6_399, 128, 21, 1_029),  # 49 an epoch: 20 of them are 980
        (4_096, 128, 32, 1_024),  # 32 an epoch
        (4_095, 64, 20, 1_260),  # 31 of 128 are too few, 63 of 64
        (1_153, 32, 28, 1_008),  # the digits: 9 of 128, 18 of 64, 36 of 32
        (512, 16, 32, 1_024),
        (160, 16, 100, 1_000),
        (79, 16, 200, 800),  # 4 an epoch: 250 epochs would be more than the most
        (9, 16, 200, 200),  # fewer than a batch: a step an epoch
        (1, 16, 200, 200),
    ],
)
def test_what_so_many_images_are_trained_by(images: int, batch_size: int, epochs: int, steps: int) -> None:
    chosen = sizing(images, USUAL)
    assert chosen == Sizing(batch_size=batch_size, epochs=epochs)
    assert chosen.steps(images) == steps
    assert (steps >= ENOUGH) == (epochs < 200)


def test_a_small_batch_and_many_epochs_that_are_usual_stay() -> None:
    usual = Sizing(batch_size=8, epochs=400)
    assert sizing(100, usual) == usual


def test_it_is_said() -> None:
    sized = sizing(1_153, USUAL)
    steps = "1,153 training images: batches of 32 and 28 epochs a candidate, 1,008 steps, "
    assert sentence(1_153, sized) == f"{steps}chosen by their number: --epochs asks for others"
    others = {"--trials": "12 trials", "--space": "space tiny"}
    assert sentence(1_153, sized, others) == (
        f"{steps}12 trials, space tiny, chosen by their number: --epochs, --trials and --space ask for others"
    )
    assert sentence(1_153, None, {"--trials": "12 trials"}) == (
        "1,153 training images: 12 trials, chosen by their number: --trials asks for others"
    )
    assert sentence(1_153, None) == ""
