"""One training in progress: what an epoch returns, when it fails, and that its state can be restored."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.training.feed import Feed
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe, Setting
from nas.training.session import DIVERGED, Session, TrainingFailedError

CPU = torch.device("cpu")


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.LazyLinear(10))


def session(feed: Feed, epochs: int = 2, *, seed: int = 0, precision: Setting = "auto") -> Session:
    phases = (Phase(share=0.5, peak_lr=0.1), Phase(share=0.5, peak_lr=0.05))
    recipe = Recipe(name="own", phases=phases, batch_size=128, ema_decay=0.5, precision=precision)
    model = tiny()
    model(torch.zeros(1, *np.moveaxis(feed.dataset.train_images, 3, 1).shape[1:]))
    return Session(model, feed, recipe, epochs, seed, CPU, "float32")


def test_an_epoch_counts_whole_batches_from_one(digits_feed: Feed) -> None:
    made = session(digits_feed)
    steps = len(digits_feed.labels) // 128
    epoch = made.epoch(0)
    assert (epoch.epoch, epoch.images, made.steps) == (1, steps * 128, steps)
    assert 0 < epoch.loss < math.log(10) * DIVERGED
    assert epoch.val_accuracy is not None
    assert round(epoch.val_accuracy * len(digits_feed.evaluation[1]), 6) % 1 == 0


def test_what_follows_depends_on_the_state_and_the_seed_alone(digits_feed: Feed) -> None:
    first = session(digits_feed)
    first.curve.append(first.epoch(0))
    state = deepcopy(first.state())
    whole = first.epoch(1)
    torch.manual_seed(99)
    again = session(digits_feed)
    again.restore(state)
    assert (again.curve, again.phase) == (first.curve, 0)
    resumed = again.epoch(1)
    assert (resumed.loss, resumed.val_accuracy) == (whole.loss, whole.val_accuracy)
    assert again.phase == 1  # entered with the second half
    other = session(digits_feed, seed=1)
    other.restore(state)
    assert other.epoch(1).loss != whole.loss


def test_what_an_epoch_draws_as_a_whole_and_a_growing_mixup_are_resumed(digits_feed: Feed) -> None:
    options = {"alternating_flip": True, "mixup": 0.5, "mixup_growth": 1.0, "crop": 1}
    recipe = Recipe(name="own", batch_size=256, **options)  # type: ignore[arg-type]

    def made() -> Session:
        model = tiny()
        model(torch.zeros(1, *np.moveaxis(digits_feed.dataset.train_images, 3, 1).shape[1:]))
        return Session(model, digits_feed, recipe, 2, 0, CPU, "float32")

    first = made()
    first.curve.append(first.epoch(0))
    state = deepcopy(first.state())
    again = made()
    again.restore(state)
    assert again.epoch(1).loss == first.epoch(1).loss
    assert first.step.strength is not None
    last = 1 - 0.5 / (2 * first.steps)  # the middle of the last step
    assert float(first.step.strength) == pytest.approx(0.5 * last)


def test_another_precision_is_not_gone_on_with(digits_feed: Feed) -> None:
    state = session(digits_feed).state()
    session(digits_feed, precision="float32").restore(state)
    message = "the training was begun in another precision: bfloat16, not float32: remove its checkpoint"
    with pytest.raises(UnusableInputError, match=message):
        session(digits_feed, precision="float32").restore(state | {"precision": "bfloat16"})


@pytest.mark.parametrize(
    ("loss", "continues"),
    [(10 * math.log(10) * 0.999, True), (10 * math.log(10) * 1.001, False), (math.nan, False), (math.inf, False)],
)
def test_a_loss_just_within_and_just_past_divergence(loss: float, continues: bool, digits_feed: Feed) -> None:
    made = session(digits_feed)
    if continues:
        made._check(loss, 2)
        return
    with pytest.raises(TrainingFailedError, match=f"^diverged: loss is {loss:.4g} in epoch 3$"):
        made._check(loss, 2)


def test_a_batch_that_does_not_fit_is_cut_once(digits_feed: Feed) -> None:
    class Small(nn.Module):
        """Has room for so many images at once."""

        def __init__(self, room: int) -> None:
            super().__init__()
            self.room, self.body = room, nn.Linear(3 if digits_feed.dataset.train_images.shape[-1] == 3 else 1, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training and len(x) > self.room:
                raise torch.OutOfMemoryError
            result: torch.Tensor = self.body(x.mean((2, 3)))
            return result

    recipe = Recipe(name="own", batch_size=64)
    whole = Session(Small(64), digits_feed, recipe, 1, 0, CPU, "float32")
    whole.epoch(0)
    assert whole.step.parts == 1
    cut = Session(Small(63), digits_feed, recipe, 1, 0, CPU, "float32")
    cut.epoch(0)
    assert cut.step.parts > 1
    message = rf"out of memory: a batch of 64 in {cut.step.parts} parts: use a smaller batch, a smaller network"
    with pytest.raises(TrainingFailedError, match=message):
        Session(Small(1), digits_feed, recipe, 1, 0, CPU, "float32").epoch(0)


def test_a_checkpoint_must_agree_in_recipe_data_seed_and_network(digits_feed: Feed) -> None:
    description = session(digits_feed).description
    assert session(digits_feed).description == description
    for other in (session(digits_feed, 3), session(digits_feed, seed=1), session(digits_feed, precision="float32")):
        assert sum(other.description[key] != value for key, value in description.items()) == 1
    sides = digits_feed.dataset.train_images.shape[-1] * 16
    assert description["network"] == f"2.weight:(10, {sides}), 2.bias:(10,)"


def test_settling_leaves_the_evaluated_weights(digits_feed: Feed) -> None:
    made = session(digits_feed)
    for number in (0, 1):
        made.epoch(number)
    assert made.step.average is not None
    kept = {name: value.clone() for name, value in made.step.average.model.state_dict().items()}
    assert any(not torch.equal(kept[name], value) for name, value in made.model.state_dict().items())
    made.settle()
    assert all(torch.equal(kept[name], value) for name, value in made.model.state_dict().items())


def test_an_infinite_learning_rate_ends_a_training_with_what_to_change(digits_feed: Feed) -> None:
    phase = Phase(schedule="step", peak_lr=0.1, step_epochs=0.001, gamma=1000)
    recipe = Recipe(name="own", phases=(phase,), batch_size=64)
    channels = digits_feed.dataset.train_images.shape[-1]
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    made = Session(model, digits_feed, recipe, 2, 0, CPU, "float32")
    with pytest.raises(
        TrainingFailedError, match=r"^the learning rate is inf in epoch 1: lower the recipe's gamma, or"
    ):
        made.epoch(0)


def test_an_evaluation_that_is_not_a_number_ends_a_training(digits_feed: Feed) -> None:
    class Spoilt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(digits_feed.dataset.train_images.shape[-1], 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.body(x.mean((2, 3)))
            return found if self.training else found * torch.nan

    made = Session(Spoilt(), digits_feed, Recipe(name="own", batch_size=64), 2, 0, CPU, "float32")
    with pytest.raises(
        TrainingFailedError, match=r"^diverged: outputs are not a number for 60 of 60 images in epoch 1$"
    ):
        made.epoch(0)
