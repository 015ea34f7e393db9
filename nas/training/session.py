"""One training in progress: its state, and how that is saved and restored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from constraints.errors import UnusableInputError
from constraints.model_state import copied
from nas.architecture.model import Network
from nas.architecture.whole_state import give_state, whole_state
from nas.training.evaluation import NotANumberError, Scores, evaluate, normaliser
from nas.training.feed import Feed
from nas.training.given_model import GivenModel, placed
from nas.training.halves import Halves
from nas.training.optimisers import Optimisers
from nas.training.precision import Precision
from nas.training.recipes import Recipe
from nas.training.registered_tensors import RegisteredTensors
from nas.training.step import TrainingStep
from nas.training.teacher import targets

CHECK_STEPS = 50
"""Steps between checks of the loss, since on a GPU each check waits for the device."""
DIVERGED = 10
"""A mean loss of this many times the chance level (log of the number of classes) counts as divergence."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The results of one epoch, counted from 1; ``learning_rate`` is the rate of its last step.

    ``val_accuracy`` is None where the feed has no validation images: the test set is not used during training.
    """

    epoch: int
    loss: float
    val_accuracy: float | None
    learning_rate: float
    seconds: float
    images: int
    val_balanced_accuracy: float | None = None
    """As ``val_accuracy``; also None in epochs written by earlier releases."""


class TrainingFailedError(Exception):
    """This training cannot continue; the message becomes the stored reason."""


class Session:
    """One training: its step, its curve and its seeds."""

    def __init__(  # noqa: PLR0917 - internal
        self,
        model: nn.Module,
        feed: Feed,
        recipe: Recipe,
        epochs: int,
        seed: int,
        device: torch.device,
        precision: Precision,
    ) -> None:
        """Move ``model`` to ``device`` and apply the recipe's initialisation."""
        self.feed, self.recipe, self.epochs, self.seed = feed, recipe, epochs, seed
        layout = model.layout if isinstance(model, GivenModel) else torch.channels_last
        self.model: nn.Module = placed(model, device, layout)
        self.phase = 0
        self.curve: list[Epoch] = []
        self.on_step: Callable[[int, int], None] | None = None
        self.step = self._first_step(device, precision)
        is_copied = isinstance(self.model, GivenModel) and self.step.average is None
        self._untrained: nn.Module | None = copied(self.model) if is_copied else None
        self.batch = len(self.step.chosen)
        self.steps = len(self.step.labels) // self.batch

    def _first_step(self, device: torch.device, precision: Precision) -> TrainingStep:
        recipe, feed = self.recipe, self.feed
        labels = torch.from_numpy(np.array(feed.labels)).to(device)
        normalise = normaliser(feed.mean, feed.std, device)

        def sample() -> torch.Tensor:
            chosen = feed.indices[recipe.sampled(feed.labels)]
            return normalise(torch.from_numpy(feed.dataset.train_images[chosen]))

        recipe.initialise(self.model, sample)
        return TrainingStep(
            model=self.model,
            recipe=recipe,
            optimisers=self._optimisers(device),
            average=recipe.average_of(self.model),
            normalise=normalise,
            precision=precision,
            images=torch.empty(0, dtype=torch.uint8, device=device),
            labels=labels,
            chosen=torch.empty(min(recipe.batch_size, len(labels)), dtype=torch.int64, device=device),
            loss=torch.zeros((), dtype=torch.float32, device=device),
            is_captured=not isinstance(self.model, GivenModel),
            halves=self._halves(device),
            registered=RegisteredTensors(self.model.model) if isinstance(self.model, GivenModel) else None,
        )

    def _halves(self, device: torch.device) -> Halves | None:
        """The halves of the threads on a CPU; None for user models, which may need the whole batch."""
        is_known = device.type == "cpu" and isinstance(self.model, Network)
        own_norms = self.recipe.halved_norm
        return Halves.of(self.model, torch.get_num_threads(), own_norms=own_norms) if is_known else None

    def _optimisers(self, device: torch.device) -> Optimisers:
        return Optimisers(self.model, self.recipe, self.phase, capturable=device.type == "cuda")

    @property
    def device(self) -> torch.device:
        """The device of the training."""
        return self.step.labels.device

    @property
    def description(self) -> dict[str, Any]:
        """The settings that a checkpoint must match to be resumed from."""
        return {
            "recipe": repr(self.recipe),
            "epochs": self.epochs,
            "seed": self.seed,
            "data": self.feed.key,
            "network": ", ".join(f"{k}:{tuple(v.shape)}" for k, v in whole_state(self.model).items()),
            **({"teacher": self.feed.teacher.hash} if self.recipe.distillation and self.feed.teacher else {}),
        }

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on; random generators are not part of it, as each epoch seeds them."""
        return {
            "model": whole_state(self.model),
            "average": self.step.average.state() if self.step.average else None,
            "phase": self.phase,
            "optimisers": self.step.optimisers.state(),
            "precision": self.step.precision,
            "parts": self.step.parts,
            "curve": [asdict(epoch) for epoch in self.curve],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned, including the precision that was chosen then.

        Raises UnusableInputError where the recipe asks for the other precision.
        """
        if self.recipe.precision not in ("auto", state["precision"]):
            raise UnusableInputError(
                f"the training was begun in another precision: {state['precision']}, not {self.recipe.precision}: "
                "remove its checkpoint to start it over"
            )
        give_state(self.model, state["model"])
        if self.step.average:
            self.step.average.restore(state["average"])
        self._enter(state["phase"])
        self.step.optimisers.restore(state["optimisers"])
        self.step.precision, self.step.parts = state["precision"], state["parts"]
        self.curve = [Epoch(**values) for values in state["curve"]]

    def epoch(self, number: int) -> Epoch:
        """Train epoch ``number`` (from 0) and evaluate; raises TrainingFailedError where training cannot continue."""
        started = time.perf_counter()
        self._show(number)
        torch.manual_seed(_mix(self.seed, number))  # after the feed, which may use any random generator
        self.model.train()
        order = torch.randperm(len(self.step.labels)).to(self.device)
        self.step.loss.zero_()
        rate = 0.0
        with self.step.threads():
            for index in range(self.steps):
                rate = self._prepare(number * self.steps + index)
                self._run(order[index * self.batch : (index + 1) * self.batch])
                if index % CHECK_STEPS == 0 or index == self.steps - 1:
                    self._check(self.step.loss.item() / (index + 1), number)
                if self.on_step:
                    self.on_step(index + 1, self.steps)
        scores = self.evaluate()
        return Epoch(
            epoch=number + 1,
            loss=self.step.loss.item() / self.steps,
            val_accuracy=scores.accuracy if scores else None,
            val_balanced_accuracy=scores.balanced_accuracy if scores else None,
            learning_rate=rate,
            seconds=time.perf_counter() - started,
            images=self.steps * self.batch,
        )

    def _show(self, number: int) -> None:
        """Pass the epoch's images to the step; on a GPU they replace the last epoch's in the same memory."""
        images = torch.from_numpy(self.feed.epoch(number))
        if self.device.type == "cpu":
            self.step.images = images
        elif self.step.images.shape == images.shape:
            self.step.images.copy_(images)
        else:
            self.step.images = images.to(self.device)
        drawn = self.recipe.drawn(len(images), self.feed.seed, number)
        if drawn is not None and self.step.drawn is not None:
            self.step.drawn.copy_(drawn)
        elif drawn is not None:
            self.step.drawn = drawn.to(self.device)
        if self.recipe.distillation:
            taught = torch.from_numpy(targets(self.feed, self.recipe, number, drawn, self.device))
            if self.step.targets is None:
                self.step.targets = taught.to(self.device)
            else:
                self.step.targets.copy_(taught)

    def _prepare(self, step: int) -> float:
        """Set rate and resolution for the middle of one step, and enter its phase if that is new."""
        progress = (step + 0.5) / (self.steps * self.epochs)
        index, _ = self.recipe.position(progress)
        if index != self.phase:
            self._enter(index)
        rate = self.recipe.learning_rate(progress, self.epochs)
        if not math.isfinite(rate):
            raise TrainingFailedError(
                f"the learning rate is {rate} in epoch {step // self.steps + 1}: lower the recipe's gamma, or raise "
                "its step_epochs"
            )
        self.step.optimisers.set_rate(rate)
        self.step.show(progress)
        if self.step.average:
            self.step.average.advance()
        return rate

    def _enter(self, phase: int) -> None:
        self.phase = phase
        self.step.optimisers = self._optimisers(self.device)
        self.step.renew()

    def _run(self, chosen: torch.Tensor) -> None:
        """Run a step; the first time that it runs out of memory, continue with batches in parts."""
        before = self.step.loss.clone()
        try:
            self.step.run(chosen)
        except torch.OutOfMemoryError:
            if self.step.parts > 1:
                raise TrainingFailedError(
                    f"out of memory: a batch of {self.batch} in {self.step.parts} parts: "
                    "use a smaller batch, a smaller network or fewer workers"
                ) from None
            self.step.cut()
            self.step.loss.copy_(before)
            self._run(chosen)

    def _check(self, loss: float, number: int) -> None:
        limit = DIVERGED * math.log(max(len(self.feed.dataset.classes), 2))
        if not math.isfinite(loss) or loss > limit:
            raise TrainingFailedError(f"diverged: loss is {loss:.4g} in epoch {number + 1}")

    def evaluate(self) -> Scores | None:
        """The scores of the weights to keep (the average, if there is one), in the training's precision.

        Raises TrainingFailedError where their outputs are not a number.
        """
        if self.feed.split is None:
            return None
        try:
            return evaluate(
                self._kept(),
                *self.feed.evaluation,
                self.feed.mean,
                self.feed.std,
                str(self.device),
                precision=self.step.precision,
            )
        except NotANumberError as error:
            raise TrainingFailedError(f"diverged: {error} in epoch {len(self.curve) + 1}") from error

    def _kept(self) -> nn.Module:
        """The network with the weights to keep.

        A user's is a copy of what it was before its training, so that its accuracy is one of its weights alone, without
        values that its code keeps beside them and that no export has.
        """
        if self.step.average:
            return self.step.average.model
        if self._untrained is None:
            return self.model
        give_state(self._untrained, whole_state(self.model))
        return self._untrained

    def settle(self) -> None:
        """Give the model the evaluated weights, and a user's model the other values that it was evaluated with."""
        kept = self._kept()
        if isinstance(self.model, GivenModel) and isinstance(kept, GivenModel):
            self.model.model = kept.model
        elif kept is not self.model:
            give_state(self.model, whole_state(kept))


def _mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers; unlike a sum, different numbers give different seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
