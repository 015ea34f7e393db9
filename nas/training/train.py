"""Train one network for one budget: the loop that decides what a candidate is worth."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from constraints.errors import UnusableInputError
from nas.training import checkpoint as checkpoints
from nas.training.evaluate import Normalise, evaluate, normaliser
from nas.training.feed import Feed
from nas.training.recipes import Phase, Recipe

CHECK_STEPS = 50
"""Steps between looks at the loss; on a GPU each look waits for the device."""
HOPELESS = 10
"""A mean loss of this many times that of guessing (log of the number of classes) counts as divergence."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch, counted from 1, as it ended; `learning_rate` is that of its last step.

    `val_accuracy` is None where the feed holds no validation images: the test set is not opened in training.
    """

    epoch: int
    loss: float
    val_accuracy: float | None
    learning_rate: float
    seconds: float
    images: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a network is worth; `reason` is empty when all epochs were trained.

    `val_accuracy` is that of the last epoch, of the averaged weights where the recipe averages them; a network that
    diverged is worth 0, and None is that of a feed without validation images. `seconds` counts all sessions of a
    training that was resumed.
    """

    val_accuracy: float | None
    epochs: int
    seconds: float
    reason: str
    curve: tuple[Epoch, ...]


def train(
    model: nn.Module,
    feed: Feed,
    *,
    recipe: Recipe,
    epochs: int,
    seed: int,
    device: str = "cpu",
    threads: int | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], bool] | None = None,
) -> Result:
    """Train `model` in place and judge it after every epoch.

    The schedule spans `epochs`. `on_epoch` may stop the training by returning False. With `checkpoint`, each
    epoch's end is kept there before `on_epoch` hears of it, and a training whose file exists goes on from it
    after telling `on_epoch` the last epoch again: on a CPU with the same `threads`, to the same weights bit
    for bit. All randomness follows from `seed`, the epoch and the feed; the initial weights are the caller's.
    At the end `model` holds the weights judged.

    Raises UnusableInputError for a checkpoint that is damaged or of another training.
    """
    if epochs < 1:
        raise UnusableInputError(f"epochs is out of range: {epochs}: give 1 or more")
    place = torch.device(device)
    with _threads(threads), torch.random.fork_rng([] if place.type == "cpu" else [place]):
        session = _Session(model, feed, recipe, epochs, seed, place)
        if checkpoint and checkpoint.exists():
            session.restore(checkpoints.load(checkpoint, session.description, session.device))
        reason = _epochs(session, checkpoint, on_epoch)
        session.settle()
    return Result(
        val_accuracy=session.curve[-1].val_accuracy if session.curve and "diverged" not in reason else 0.0,
        epochs=len(session.curve),
        seconds=sum(epoch.seconds for epoch in session.curve),
        reason=reason,
        curve=tuple(session.curve),
    )


def _epochs(session: "_Session", checkpoint: Path | None, on_epoch: Callable[[Epoch], bool] | None) -> str:
    """Train the epochs that are left; the reason for an early end, or nothing."""
    if session.curve and on_epoch and not on_epoch(session.curve[-1]) and len(session.curve) < session.epochs:
        return "stopped"
    while len(session.curve) < session.epochs:
        try:
            epoch = session.epoch(len(session.curve))
        except _DivergedError as error:
            return str(error)
        session.curve.append(epoch)
        if checkpoint:
            checkpoints.save(checkpoint, session.description, session.state())
        if on_epoch and not on_epoch(epoch) and epoch.epoch < session.epochs:
            return "stopped"
    return ""


class _DivergedError(Exception):
    """The loss says that this training leads nowhere."""


class _Session:
    """One training under way: what changes from step to step, and the step."""

    def __init__(  # noqa: PLR0917 - internal
        self, model: nn.Module, feed: Feed, recipe: Recipe, epochs: int, seed: int, device: torch.device
    ) -> None:
        self.feed, self.recipe, self.epochs, self.seed, self.device = feed, recipe, epochs, seed, device
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = _averaging(recipe.ema_decay)
        self.ema = AveragedModel(self.model, avg_fn=average, use_buffers=True) if recipe.ema_decay else None
        self.normalise: Normalise = normaliser(feed.mean, feed.std, device)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.labels = torch.from_numpy(np.array(feed.labels)).to(device)
        self.batch = min(recipe.batch_size, len(self.labels))
        self.steps = len(self.labels) // self.batch
        self.phase, self.optimiser = 0, _optimiser(self.model, recipe.phases[0], recipe.norm_bias_lr)
        self.curve: list[Epoch] = []

    @property
    def description(self) -> dict[str, Any]:
        """What a checkpoint must agree with for a training to go on from it."""
        return {
            "recipe": repr(self.recipe),
            "epochs": self.epochs,
            "seed": self.seed,
            "data": self.feed.key,
            "network": ", ".join(f"{k}:{tuple(v.shape)}" for k, v in self.model.state_dict().items()),
        }

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on; random generators are seeded anew in each epoch."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema else None,
            "phase": self.phase,
            "optimiser": self.optimiser.state_dict(),
            "curve": [asdict(epoch) for epoch in self.curve],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.model.load_state_dict(state["model"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self._enter(state["phase"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.curve = [Epoch(**values) for values in state["curve"]]

    def epoch(self, number: int) -> Epoch:
        """Train epoch `number` (from 0) and judge; raises _DivergedError when the loss is lost."""
        started = time.perf_counter()
        images = self._images(number)
        torch.manual_seed(_mix(self.seed, number))  # after the feed, whose making may draw from anywhere
        self.model.train()
        order = torch.randperm(len(self.labels)).to(self.device)
        loss = torch.zeros((), device=self.device)
        rate = 0.0
        for step in range(self.steps):
            rate = self._set_rate(number * self.steps + step)
            chosen = order[step * self.batch : (step + 1) * self.batch]
            loss += self._step(images(chosen), self.labels[chosen])
            if step % CHECK_STEPS == 0 or step == self.steps - 1:
                self._check(loss.item() / (step + 1), number)
        return Epoch(
            epoch=number + 1,
            loss=loss.item() / self.steps,
            val_accuracy=self.judge(),
            learning_rate=rate,
            seconds=time.perf_counter() - started,
            images=self.steps * self.batch,
        )

    def _images(self, number: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function from indices to normalised images; on a GPU the whole epoch is moved there first."""
        epoch = torch.from_numpy(self.feed.epoch(number)).to(self.device)
        return lambda chosen: self.normalise(epoch[chosen])

    def _set_rate(self, step: int) -> float:
        """Set the learning rate of one step (by the middle of it), and the optimiser where a phase begins."""
        progress = (step + 0.5) / (self.steps * self.epochs)
        index, _ = self.recipe.position(progress)
        if index != self.phase:
            self._enter(index)
        rate = self.recipe.learning_rate(progress, self.epochs)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["lr_scale"]
        return rate

    def _enter(self, phase: int) -> None:
        self.phase = phase
        self.optimiser = _optimiser(self.model, self.recipe.phases[phase], self.recipe.norm_bias_lr)

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss: torch.Tensor = self.criterion(self.model(images), labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        if self.ema:
            self.ema.update_parameters(self.model)
        return loss.detach()

    def _check(self, loss: float, number: int) -> None:
        hopeless = HOPELESS * math.log(max(len(self.feed.dataset.classes), 2))
        if not math.isfinite(loss) or loss > hopeless:
            raise _DivergedError(f"diverged: loss is {loss:.4g} in epoch {number + 1}")

    def judge(self) -> float | None:
        """Accuracy of the weights that would be kept now."""
        if self.feed.split is None:
            return None
        judged = self.ema.module if self.ema else self.model
        return evaluate(judged, *self.feed.judge, self.feed.mean, self.feed.std, str(self.device))

    def settle(self) -> None:
        """Leave the judged weights in the model."""
        if self.ema:
            self.model.load_state_dict(self.ema.module.state_dict())


def _averaging(decay: float) -> Callable[..., torch.Tensor]:
    """A moving average that forgets its first steps sooner, as TensorFlow's does: 1/10, 2/11, ... up to `decay`."""

    def average(averaged: torch.Tensor, current: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        if not averaged.is_floating_point():
            return current  # a count of batches
        share = torch.clamp((count + 1) / (count + 10), max=decay).to(averaged.dtype)
        return torch.lerp(current, averaged, share.to(averaged.device))

    return average


def _optimiser(model: nn.Module, phase: Phase, norm_bias_lr: float) -> torch.optim.Optimizer:
    """The phase's optimiser, with weight decay only on tensors of two axes or more."""
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    dense = [parameter for parameter in wanted if parameter.ndim > 1]
    slender = [parameter for parameter in wanted if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": dense, "weight_decay": phase.weight_decay, "lr_scale": 1.0},
        {"params": slender, "weight_decay": 0.0, "lr_scale": norm_bias_lr},
    ]
    groups = [group for group in groups if group["params"]]
    if phase.optimiser == "sgd":
        nesterov = phase.nesterov and phase.momentum > 0
        return torch.optim.SGD(groups, lr=phase.peak_lr, momentum=phase.momentum, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if phase.optimiser == "adam" else torch.optim.AdamW
    return kind(groups, lr=phase.peak_lr, fused=True)


def _mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers, without the overlaps that adding them would make."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` threads for the time; None leaves its setting alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
