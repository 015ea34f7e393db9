"""Training: repeatable, resumable bit for bit, stopped when told or when lost."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.training import recipes
from nas.training.feed import Feed
from nas.training.recipes import Phase, Recipe
from nas.training.train import Epoch, train

RECIPE = Recipe(name="test", phases=(Phase(peak_lr=0.1),), ema_decay=0.9, label_smoothing=0.05)
TWO_PHASES = Recipe(
    name="two",
    phases=(Phase(share=0.5, peak_lr=0.1), Phase(share=0.5, optimiser="adam", schedule="step", peak_lr=1e-3)),
)


def weights(model: nn.Module) -> list[torch.Tensor]:
    """All parameters and buffers."""
    return list(model.state_dict().values())


def same(left: nn.Module, right: nn.Module) -> bool:
    """Whether two networks agree bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(weights(left), weights(right), strict=True))


def test_a_network_learns_the_digits(network: nn.Module, digits_feed: Feed) -> None:
    result = train(network, digits_feed, recipe=recipes.default(6), epochs=6, seed=0)
    assert result.val_accuracy is not None
    assert result.val_accuracy > 0.7  # guessing gets 0.1
    assert (result.epochs, result.reason) == (6, "")
    assert result.val_accuracy == result.curve[-1].val_accuracy
    assert result.seconds == sum(epoch.seconds for epoch in result.curve)
    assert [epoch.epoch for epoch in result.curve] == [1, 2, 3, 4, 5, 6]
    assert result.curve[-1].loss < result.curve[0].loss
    steps = len(digits_feed.labels) // 64
    assert result.curve[0].images == 64 * steps


def test_the_same_seed_gives_the_same_weights(network: nn.Module, digits_feed: Feed) -> None:
    twin, other = copy.deepcopy(network), copy.deepcopy(network)
    first = train(network, digits_feed, recipe=RECIPE, epochs=2, seed=5)
    torch.rand(7)  # what else draws from the global generator must not matter
    second = train(twin, digits_feed, recipe=RECIPE, epochs=2, seed=5)
    train(other, digits_feed, recipe=RECIPE, epochs=2, seed=6)
    assert same(network, twin)
    assert not same(network, other)
    assert [replace(e, seconds=0) for e in first.curve] == [replace(e, seconds=0) for e in second.curve]


def test_the_caller_s_generator_is_left_alone(network: nn.Module, digits_feed: Feed) -> None:
    before = torch.get_rng_state()
    train(network, digits_feed, recipe=RECIPE, epochs=1, seed=5, threads=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("recipe", [RECIPE, TWO_PHASES], ids=["ema", "two phases"])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_stopped_training_goes_on_bit_for_bit(
    network: nn.Module, digits_feed: Feed, tmp_path: Path, recipe: Recipe, stop: int
) -> None:
    straight, resumed = copy.deepcopy(network), copy.deepcopy(network)
    whole = train(straight, digits_feed, recipe=recipe, epochs=4, seed=1)
    path = tmp_path / "run" / "checkpoint.pt"
    half = train(
        network,
        digits_feed,
        recipe=recipe,
        epochs=4,
        seed=1,
        checkpoint=path,
        on_epoch=lambda epoch: epoch.epoch < stop,
    )
    assert (half.reason, half.epochs) == ("stopped", stop)
    for layer in resumed.children():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            layer.reset_parameters()  # the weights must come from the checkpoint
    rest = train(resumed, digits_feed, recipe=recipe, epochs=4, seed=1, checkpoint=path)
    assert same(straight, resumed)
    assert [replace(e, seconds=0) for e in rest.curve] == [replace(e, seconds=0) for e in whole.curve]
    assert rest.curve[: len(half.curve)] == half.curve  # with the seconds of the first session
    assert list(path.parent.iterdir()) == [path]


def test_a_resumed_training_reports_where_it_stands(network: nn.Module, digits_feed: Feed, tmp_path: Path) -> None:
    heard: list[int] = []

    def pause_at_two(epoch: Epoch) -> bool:
        heard.append(epoch.epoch)
        return epoch.epoch < 2

    for _ in range(2):
        result = train(
            network,
            digits_feed,
            recipe=RECIPE,
            epochs=4,
            seed=1,
            checkpoint=tmp_path / "c.pt",
            on_epoch=pause_at_two,
        )
        assert (result.reason, result.epochs) == ("stopped", 2)
    assert heard == [1, 2, 2]


def test_a_finished_training_is_not_trained_again(network: nn.Module, digits_feed: Feed, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    first = train(network, digits_feed, recipe=RECIPE, epochs=2, seed=1, checkpoint=path)
    fresh = copy.deepcopy(network)
    assert train(fresh, digits_feed, recipe=RECIPE, epochs=2, seed=1, checkpoint=path) == first
    assert same(network, fresh)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 3}, "epochs was 2, is 3"),
        ({"seed": 2}, "seed was 1, is 2"),
        ({"recipe": TWO_PHASES}, "recipe was"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    network: nn.Module, digits_feed: Feed, tmp_path: Path, change: dict[str, object], named: str
) -> None:
    path = tmp_path / "c.pt"
    given = {"recipe": RECIPE, "epochs": 2, "seed": 1, "checkpoint": path}
    train(network, digits_feed, **given)  # type: ignore[arg-type]
    with pytest.raises(UnusableInputError, match=f"of another training .{named}.*remove it"):
        train(network, digits_feed, **{**given, **change})  # type: ignore[arg-type]


def test_a_damaged_checkpoint_is_refused(network: nn.Module, digits_feed: Feed, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(b"PK nothing")
    with pytest.raises(UnusableInputError, match=r"the checkpoint cannot be read: .*c\.pt: remove it"):
        train(network, digits_feed, recipe=RECIPE, epochs=2, seed=1, checkpoint=path)


def test_a_loss_that_is_lost_ends_the_training(network: nn.Module, digits_feed: Feed, tmp_path: Path) -> None:
    wild = Recipe(name="wild", phases=(Phase(peak_lr=1e6),))
    result = train(network, digits_feed, recipe=wild, epochs=3, seed=0, checkpoint=tmp_path / "c.pt")
    assert result.reason.startswith("diverged: loss is ")
    assert result.reason.endswith("in epoch 1")
    assert (result.val_accuracy, result.epochs, result.curve) == (0.0, 0, ())


def test_a_network_that_answers_nan_diverged(digits_feed: Feed) -> None:
    class Broken(nn.Module):
        """Answers nan from the second epoch on."""

        def __init__(self) -> None:
            super().__init__()
            self.linear, self.calls = nn.Linear(3, 10), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Mean colours to logits."""
            self.calls += self.training
            logits: torch.Tensor = self.linear(x.mean((2, 3)))
            return logits * (math.nan if self.calls > steps else 1.0)

    steps = len(digits_feed.labels) // RECIPE.batch_size
    result = train(Broken(), digits_feed, recipe=RECIPE, epochs=3, seed=0)
    assert result.reason == "diverged: loss is nan in epoch 2"
    assert (result.val_accuracy, result.epochs) == (0.0, 1)


def test_the_threads_are_as_asked_and_put_back(network: nn.Module, digits_feed: Feed) -> None:
    seen = []
    network.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    train(network, digits_feed, recipe=RECIPE, epochs=1, seed=0, threads=2)
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1


def test_a_batch_is_no_larger_than_the_data(network: nn.Module, digits_feed: Feed) -> None:
    huge = replace(RECIPE, batch_size=10_000)
    result = train(network, digits_feed, recipe=huge, epochs=1, seed=0)
    assert result.curve[0].images == len(digits_feed.labels)


def test_no_epochs_are_refused(network: nn.Module, digits_feed: Feed) -> None:
    with pytest.raises(UnusableInputError, match="epochs is out of range: 0: give 1 or more"):
        train(network, digits_feed, recipe=RECIPE, epochs=0, seed=0)


def test_norms_and_biases_have_their_own_rate_and_no_decay(digits_feed: Feed) -> None:
    """With a gradient of nothing, decay alone moves weights: the dense ones, not the biases."""

    class Constant(nn.Module):
        """Its weights do not reach its output, but have a gradient: zero."""

        def __init__(self) -> None:
            super().__init__()
            self.dense, self.bias = nn.Parameter(torch.ones(10, 3)), nn.Parameter(torch.ones(10))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Zeros."""
            return 0 * (x.mean((2, 3)) @ self.dense.T + self.bias)

    model = Constant()
    train(model, digits_feed, recipe=Recipe(name="t", phases=(Phase(weight_decay=0.1),)), epochs=1, seed=0)
    assert (model.bias == 1).all()
    assert (model.dense < 1).all()


def test_the_test_set_is_not_opened_in_training(network: nn.Module, digits_feed: Feed) -> None:
    result = train(network, replace(digits_feed, split=None), recipe=RECIPE, epochs=2, seed=0)
    assert [epoch.val_accuracy for epoch in result.curve] == [None, None]
    assert result.val_accuracy is None
