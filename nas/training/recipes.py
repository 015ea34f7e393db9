"""Training recipes: frozen values that define how any candidate is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from constraints.errors import UnusableInputError
from nas.training.options.declaration import check, option
from nas.training.options.first_weights import FirstWeightOptions
from nas.training.options.images import ImageOptions
from nas.training.options.loss import LossOptions
from nas.training.options.phase import Phase
from nas.training.options.updates import UpdateOptions

if TYPE_CHECKING:
    from nas.training.batchwise import Drawn

Setting = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Recipe(ImageOptions, FirstWeightOptions, UpdateOptions, LossOptions):
    """How to train: phases, batch size, and options of images, first weights, updates and loss.

    Each option is a field of the class for what it acts on (such as ImageOptions), which declares its meaning, range
    and ``--tune`` range, and applies it. Without a teacher ``distillation`` is 0; with one, flips and crops are drawn
    once per epoch.
    """

    name: str
    phases: tuple[Phase, ...] = (Phase(),)
    batch_size: int = option(128, "images in a step", low=1, high=100_000, factor=2)
    precision: Setting = option(
        "auto", "what a training computes in: float32, bfloat16, or auto, the faster one here", is_tuned=False
    )

    def __post_init__(self) -> None:
        """Check that the phases' shares add up to 1, that options are in range, and that some rate is above 0."""
        if not math.isclose(sum(phase.share for phase in self.phases), 1):
            raise UnusableInputError(f"the phases' shares do not add up to 1: {[phase.share for phase in self.phases]}")
        check(self)
        if not any(phase.learns for phase in self.phases):
            raise UnusableInputError(
                f"no phase has a learning rate above 0: peak_lr {[phase.peak_lr for phase in self.phases]}: give one"
            )

    def drawn(self, count: int, seed: int, number: int) -> Drawn | None:
        """Values drawn once for all ``count`` images of epoch ``number`` (from 0); None where there are none."""
        return self.draw(count, seed, number, is_shared=self.distillation > 0)

    def position(self, progress: float) -> tuple[int, float]:
        """The phase at ``progress`` (0 to 1) through the training, and the progress (0 to 1) within that phase."""
        start = 0.0
        for index, phase in enumerate(self.phases):
            if progress < start + phase.share - 1e-9 or index == len(self.phases) - 1:
                return index, min((progress - start) / phase.share, 1.0)
            start += phase.share
        raise AssertionError("a recipe has at least one phase")

    def learning_rate(self, progress: float, epochs: int) -> float:
        """The learning rate at ``progress`` through a training of ``epochs``."""
        index, within = self.position(progress)
        return self.phases[index].learning_rate(within, epochs * self.phases[index].share)


TAUGHT = 0.5
"""A teacher's share of the loss where the recipe does not set it."""
LONG = 30
"""From this many epochs on, a training counts as long."""


def default(epochs: int) -> Recipe:
    """The default recipe, best for short trainings (from 2 epochs) of small networks."""
    smoothing = 0.0 if epochs < LONG else 0.1  # tiny networks underfit in a short training
    muon = Phase(optimiser="muon", peak_lr=0.05, rest_lr=0.1, momentum=0.9, weight_decay=0.01)
    # At a high learning rate, weights fluctuate from step to step; their average ranks candidates in mid-training.
    return Recipe(
        name="default",
        phases=(muon,),
        label_smoothing=smoothing,
        ema_decay=0.99,
        halved_norm=True,
        whitening=True,
        whitening_spread=True,
    )


def of_first_release(epochs: int) -> Recipe:
    """The default of release 0.1.0, whose studies stored no recipe."""
    muon = Phase(optimiser="muon", peak_lr=0.05, rest_lr=0.1, momentum=0.9, weight_decay=0.01)
    smoothing = 0.0 if epochs < LONG else 0.1
    return Recipe(name="default", phases=(muon,), label_smoothing=smoothing, ema_decay=0.99, whitening=True)


def long(epochs: int) -> Recipe:
    """The default for 30 to 400 epochs: a longer weight average, and more regularisation.

    Below 30 epochs it uses the default's average, since one over 1,000 steps would lag behind.
    """
    usual = default(epochs)
    muon = replace(usual.phases[0], rest_weight_decay=5e-4)
    return replace(
        usual,
        name="long",
        phases=(muon,),
        label_smoothing=0.05,
        ema_decay=0.999 if epochs >= LONG else usual.ema_decay,
        low_resolution=0.3,
        crop=2,
        mixup=0.2,
        mixup_growth=0.5,
        alternating_flip=True,
    )


def usual(epochs: int) -> Recipe:
    """The recipe where none is asked for: the default, or from LONG epochs on the long one."""
    return default(epochs) if epochs < LONG else long(epochs)


def sgd(epochs: int) -> Recipe:
    """The default without Muon and whitening, to measure their effect."""
    plain = Phase(peak_lr=0.2)
    return replace(default(epochs), name="sgd", phases=(plain,), whitening=False, whitening_spread=False)


def seed() -> Recipe:
    """The three phases of the hand-made network's training, scaled to any number of epochs.

    Of 400 epochs: 100 of SGD with a cyclic rate, 150 of Adam with a stepped rate, 150 of SGD with a slowly falling
    rate. The author did not publish Adam's steps; they use the gamma of the first phase.
    """
    cyclic = Phase(share=0.25, schedule="cyclic", peak_lr=0.1, floor_lr=0.003, gamma=0.85, nesterov=False)
    adam = Phase(share=0.375, optimiser="adam", schedule="step", peak_lr=0.005, gamma=0.85, weight_decay=0.0)
    slow = Phase(share=0.375, schedule="step", peak_lr=0.001, step_epochs=2, gamma=0.93, nesterov=False)
    return Recipe(name="seed", phases=(cyclic, adam, slow), batch_size=512)
