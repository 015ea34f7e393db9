"""Training: repeatable, resumable bit for bit, stopped on request or when it diverges."""

import copy
import math
import pickle
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training import datasets, recipes, splits
from nas.training.cpu_timing import PrecisionTiming
from nas.training.errors import OtherTrainingError
from nas.training.feed import Feed
from nas.training.options.phase import Phase
from nas.training.precision import Precision
from nas.training.recipes import Recipe, Setting
from nas.training.training_run import Epoch, Result, train

MakeFolder = Callable[..., Path]

RECIPE = Recipe(name="test", phases=(Phase(peak_lr=0.1),), batch_size=64, ema_decay=0.9, label_smoothing=0.05)
MUON = Recipe(
    name="muon",
    phases=(Phase(optimiser="muon", peak_lr=0.05, weight_decay=0.01),),
    batch_size=64,
    ema_decay=0.9,
    whitening=True,
    dirac=True,
    low_resolution=0.6,
)
TWO_PHASES = Recipe(
    name="two",
    phases=(Phase(share=0.5, peak_lr=0.1), Phase(share=0.5, optimiser="adam", schedule="step", peak_lr=1e-3)),
    batch_size=64,
)


def weights(model: nn.Module) -> list[torch.Tensor]:
    """All parameters and buffers."""
    return list(model.state_dict().values())


def same(left: nn.Module, right: nn.Module) -> bool:
    """Whether two networks agree bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(weights(left), weights(right), strict=True))


def test_a_network_learns_the_digits(network: nn.Module, all_digits_feed: Feed) -> None:
    result = train(network, all_digits_feed, recipe=recipes.default(6), epochs=6, seed=0)
    assert result.val_accuracy is not None
    assert result.val_accuracy > 0.7  # chance gets 0.1
    assert (result.epochs, result.reason) == (6, "")
    assert result.val_accuracy == result.curve[-1].val_accuracy
    assert result.seconds == sum(epoch.seconds for epoch in result.curve)
    assert [epoch.epoch for epoch in result.curve] == [1, 2, 3, 4, 5, 6]
    assert result.curve[-1].loss < result.curve[0].loss
    steps = len(all_digits_feed.labels) // 64
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


STRAIGHT: dict[Recipe, tuple[nn.Module, Result]] = {}


def trained_straight(network: nn.Module, feed: Feed, recipe: Recipe) -> tuple[nn.Module, Result]:
    """A copy of the network trained for four epochs without a stop, once for all stops of one recipe."""
    if recipe not in STRAIGHT:
        straight = copy.deepcopy(network)
        STRAIGHT[recipe] = straight, train(straight, feed, recipe=recipe, epochs=4, seed=1)
    return STRAIGHT[recipe]


@pytest.mark.parametrize(
    ("recipe", "stop", "precision"),
    [
        (recipe, stop, "bfloat16" if stop == place else "float32")
        for place, recipe in enumerate([RECIPE, TWO_PHASES, MUON], start=1)
        for stop in (1, 2, 3)
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_stopped_training_resumes_bit_for_bit(
    *, network: nn.Module, digits_feed: Feed, tmp_path: Path, recipe: Recipe, stop: int, precision: Setting
) -> None:
    recipe, resumed = replace(recipe, precision=precision), copy.deepcopy(network)
    straight, whole = trained_straight(network, digits_feed, recipe)
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


def test_the_precision_of_the_start_is_kept(
    network: nn.Module, digits_feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that began in bfloat16 continues in it where the choice would now be another."""
    straight, path = copy.deepcopy(network), tmp_path / "c.pt"
    train(straight, digits_feed, recipe=replace(RECIPE, precision="bfloat16"), epochs=2, seed=1)
    given = {"recipe": RECIPE, "epochs": 2, "seed": 1, "checkpoint": path}
    monkeypatch.setattr("nas.training.precision.timing", lambda: PrecisionTiming(float32=2.0, bfloat16=1.0))
    train(network, digits_feed, on_epoch=lambda epoch: False, **given)  # type: ignore[arg-type]
    monkeypatch.setattr("nas.training.precision.timing", lambda: PrecisionTiming(float32=1.0, bfloat16=16.0))
    train(network, digits_feed, **given)  # type: ignore[arg-type]
    assert same(straight, network)


def test_every_step_is_heard_of(network: nn.Module, digits_feed: Feed) -> None:
    heard: list[tuple[int, int]] = []
    recipe = replace(RECIPE, batch_size=100)
    train(network, digits_feed, recipe=recipe, epochs=2, seed=1, on_step=lambda *step: heard.append(step))
    steps = len(digits_feed.labels) // 100
    assert heard == [(done, steps) for done in range(1, steps + 1)] * 2


@pytest.mark.parametrize("auto", ["float32", "bfloat16"])
def test_a_training_takes_the_precision_that_it_is_given(
    network: nn.Module, digits_feed: Feed, tmp_path: Path, auto: Precision
) -> None:
    path = tmp_path / "c.pt"
    train(network, digits_feed, recipe=RECIPE, epochs=1, seed=1, auto=auto, checkpoint=path)
    assert torch.load(path, weights_only=True)["state"]["precision"] == auto


def test_a_training_begun_in_another_precision_is_refused(
    network: nn.Module, digits_feed: Feed, tmp_path: Path
) -> None:
    path = tmp_path / "c.pt"
    one, other = (replace(RECIPE, precision=p) for p in ("float32", "bfloat16"))
    train(network, digits_feed, recipe=one, epochs=1, seed=1, checkpoint=path)
    with pytest.raises(UnusableInputError, match=r"of another training .recipe was.*remove it"):
        train(network, digits_feed, recipe=other, epochs=1, seed=1, checkpoint=path)


class Crowded(nn.Module):
    """A network with room for ``limit`` images in training, as a full device has it."""

    def __init__(self, inner: nn.Module, limit: int) -> None:
        super().__init__()
        self.inner, self.limit, self.seen = inner, limit, list[int]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the inner network."""
        if self.training and len(x) > self.limit:
            raise torch.OutOfMemoryError(f"no room for {len(x)} images")
        self.seen.append(len(x))
        logits: torch.Tensor = self.inner(x)
        return logits


def linear() -> nn.Module:
    """A network whose batch may be cut without any change: it has no statistics of the batch."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))


def test_a_batch_that_does_not_fit_is_trained_in_parts(digits_feed: Feed, tmp_path: Path) -> None:
    recipe = Recipe(name="t", phases=(Phase(peak_lr=0.05),), batch_size=100, precision="float32")
    roomy, crowded = Crowded(linear(), 100), Crowded(linear(), 25)
    wanted = train(roomy, digits_feed, recipe=recipe, epochs=2, seed=1)
    path = tmp_path / "c.pt"
    half = train(crowded, digits_feed, recipe=recipe, epochs=2, seed=1, checkpoint=path, on_epoch=lambda _: False)
    assert half.reason == "stopped"
    resumed = Crowded(linear(), 25)
    found = train(resumed, digits_feed, recipe=recipe, epochs=2, seed=1, checkpoint=path)
    assert (found.reason, found.epochs) == ("", 2)
    assert {count for count in resumed.seen if count != 500 and count <= 100} >= {25}
    for a, b in zip(roomy.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)  # sums in another order
    assert [e.loss for e in found.curve] == pytest.approx([e.loss for e in wanted.curve], rel=1e-4)


def test_a_part_that_does_not_fit_ends_the_training(digits_feed: Feed) -> None:
    recipe = Recipe(name="t", batch_size=100)
    result = train(Crowded(linear(), 24), digits_feed, recipe=recipe, epochs=2, seed=1)
    assert result.reason.startswith("out of memory: a batch of 100 in 4 parts: use a smaller batch")
    assert (result.epochs, result.curve) == (0, ())


def test_a_full_disk_is_no_fault_of_the_network(network: nn.Module, digits_feed: Feed, tmp_path: Path) -> None:
    digits_feed.epoch(0)
    path = tmp_path / "c.pt"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # the system refuses to write more to a file
    try:
        with pytest.raises(OSError, match="File too large"):
            train(network, digits_feed, recipe=RECIPE, epochs=2, seed=1, checkpoint=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    again = train(network, digits_feed, recipe=RECIPE, epochs=1, seed=1, checkpoint=path)
    assert again.reason == ""


def test_deterministic_algorithms_are_asked_for_and_put_back(network: nn.Module, digits_feed: Feed) -> None:
    seen = []
    network.register_forward_hook(lambda *_: seen.append(torch.are_deterministic_algorithms_enabled()))
    train(network, digits_feed, recipe=RECIPE, epochs=1, seed=0, deterministic=True)
    assert set(seen) == {True}
    assert not torch.are_deterministic_algorithms_enabled()
    train(network, digits_feed, recipe=RECIPE, epochs=1, seed=0)
    assert not seen[-1]


@pytest.mark.parametrize(
    ("mode", "size", "classes", "architecture"),
    [
        ("L", (28, 28), 3, "BR.1x28x28.3/c8-c16s2/+c16-dw-pw16s2/c16d2/fc"),
        ("RGB", (64, 64), 7, "BR.3x64x64.7/c8-c16s2/+c16-dw-pw16s2/c16d2-pw7/gap"),
    ],
)
@pytest.mark.parametrize("recipe", [recipes.default(2), MUON, recipes.seed()], ids=["default", "muon", "seed"])
def test_other_sizes_channels_and_classes_are_trained(
    *,
    make_folder: MakeFolder,
    tmp_path: Path,
    mode: str,
    size: tuple[int, int],
    classes: int,
    architecture: str,
    recipe: Recipe,
) -> None:
    folder = make_folder(classes=tuple("abcdefg"[:classes]), count=10, size=size, mode=mode)
    data = datasets.load(str(folder), cache=tmp_path / "cache")
    chosen = splits.split(data.train_labels, validation_share=0.2)
    augmentation = "seed" if recipe.name == "seed" else "assignment"
    feed = Feed(dataset=data, split=chosen, folder=tmp_path / "epochs", augmentation=augmentation)
    model = build(parse(architecture))
    result = train(model, feed, recipe=recipe, epochs=2, seed=0)
    assert (result.reason, result.epochs) == ("", 2)
    assert result.val_accuracy in [i / (2 * classes) for i in range(2 * classes + 1)]
    assert all(math.isfinite(epoch.loss) for epoch in result.curve)


def test_a_resumed_training_reports_how_far_it_is(network: nn.Module, digits_feed: Feed, tmp_path: Path) -> None:
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


def test_a_checkpoint_that_was_tampered_with_is_no_fault_of_the_network(
    network: nn.Module, digits_feed: Feed, tmp_path: Path
) -> None:
    path = tmp_path / "c.pt"
    train(network, digits_feed, recipe=RECIPE, epochs=1, seed=1, checkpoint=path)
    content = torch.load(path, weights_only=True)
    del content["state"]["curve"]
    torch.save(content, path)
    with pytest.raises(OtherTrainingError, match=r"^the checkpoint holds another state than this .*c\.pt: remove it"):
        train(network, digits_feed, recipe=RECIPE, epochs=1, seed=1, checkpoint=path)
    path.write_bytes(pickle.dumps({"format": 2}, protocol=2))  # whole, and nothing that is read
    with pytest.raises(OtherTrainingError, match=r"^the checkpoint cannot be read: "):
        train(network, digits_feed, recipe=RECIPE, epochs=1, seed=1, checkpoint=path)


def test_a_loss_that_is_lost_ends_the_training(network: nn.Module, digits_feed: Feed, tmp_path: Path) -> None:
    wild = Recipe(name="wild", phases=(Phase(peak_lr=1e3),), batch_size=64)
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


def test_two_threads_halve_the_batches_of_a_network_of_ours_alone(digits_feed: Feed) -> None:
    """Each has one in training and the evaluation both; the weights are those of one thread within rounding."""
    one, two = (build(parse("BR/c4s2-c8s2/fc")) for _ in range(2))
    two.load_state_dict(one.state_dict())
    seen = set()
    two.register_forward_hook(lambda model, *_: seen.add((model.training, torch.get_num_threads())))
    for network, threads in ((one, 1), (two, 2)):
        train(network, digits_feed, recipe=replace(MUON, precision="float32"), epochs=1, seed=0, threads=threads)
    assert (True, 1) in seen
    assert (True, 2) not in seen
    for mine, theirs in zip(weights(one), weights(two), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


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
