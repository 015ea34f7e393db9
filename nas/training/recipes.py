"""Training recipes: frozen values that say how a candidate is trained, whatever the candidate is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from constraints.errors import UnusableInputError

Optimiser = Literal["sgd", "adam", "adamw", "muon"]
Schedule = Literal["one-cycle", "cyclic", "step"]
Setting = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training under one optimiser and one learning-rate schedule.

    ``share`` is of all epochs; ``peak_lr`` is the highest rate, ``floor_lr`` where a cycle begins and ends.
    One-cycle rises linearly over ``warmup`` (a share of the phase) and falls linearly to ``floor_lr``. Cyclic
    goes up for ``step_epochs`` and down for as many, and its height shrinks by ``gamma`` with every cycle. Step
    multiplies by ``gamma`` every ``step_epochs``. Muon updates dense filters; what it does not update follows SGD, with
    the peak rate ``rest_lr`` and the weight decay ``rest_weight_decay``.
    """

    share: float = 1.0
    optimiser: Optimiser = "sgd"
    schedule: Schedule = "one-cycle"
    peak_lr: float = 0.2
    rest_lr: float = 0.1
    floor_lr: float = 0.0
    warmup: float = 0.2
    step_epochs: float = 10
    gamma: float = 1.0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    rest_weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, low, high in (
            ("warmup", 0, 1),
            ("momentum", 0, 1),
            ("peak_lr", 0, math.inf),
            ("rest_lr", 0, math.inf),
            ("floor_lr", 0, math.inf),
            ("gamma", 0, math.inf),
            ("weight_decay", 0, math.inf),
            ("rest_weight_decay", 0, math.inf),
        ):
            if not low <= getattr(self, name) <= high:
                raise UnusableInputError(f"{name} is out of range: {getattr(self, name)}: give {low} to {high}")
        if not 0 < self.share <= 1:
            raise UnusableInputError(f"share is out of range: {self.share}: give more than 0, up to 1")
        if not self.step_epochs > 0:
            raise UnusableInputError(f"step_epochs is out of range: {self.step_epochs}: give more than 0 epochs")

    def learning_rate(self, progress: float, epochs: float) -> float:
        """The rate at ``progress`` (0 to 1) through this phase of ``epochs``: a closed form, without state."""
        if self.schedule == "one-cycle":
            rising = progress / self.warmup if self.warmup else math.inf
            falling = (1 - progress) / (1 - self.warmup) if self.warmup < 1 else math.inf
            return self.floor_lr + (self.peak_lr - self.floor_lr) * min(rising, falling)
        turns = progress * epochs / self.step_epochs
        if self.schedule == "step":
            return self.peak_lr * self.gamma ** math.floor(turns)
        height = 1 - abs(turns % 2 - 1)
        return self.floor_lr + (self.peak_lr - self.floor_lr) * height * self.gamma ** math.floor(turns / 2)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train: phases, batch size and what else the loss and the update do.

    Norms and biases (all tensors of one axis or none) are spared weight decay, and learn ``norm_bias_lr`` times as
    fast. ``ema_decay`` is that of the weights' moving average a step, which is what is evaluated; 0 is none.
    ``whitening`` begins with a first convolution that decorrelates patches of the images, and keeps it;
    ``whitening_spread`` takes these images from all classes, and leaves out directions in which they do not vary;
    without it, as in studies of earlier releases, they are the first of the data, and no direction is left out.
    ``dirac`` begins with convolutions that pass their input on. For the share ``low_resolution`` of the training, its
    beginning, images are shown at three quarters of their side. Batch by batch, ``flip`` mirrors half of the images,
    ``crop`` moves them by up to so many pixels, and ``mixup`` blends up to this share of another image, and of its
    label, into each; over the share ``mixup_growth`` of the training, its beginning, that bound grows from nothing.
    ``alternating_flip`` mirrors each image in every other epoch, half of them in the first (Jordan, *94% on CIFAR-10 in
    3.29 Seconds on a Single GPU*, 2024): two epochs in a row show both sides of all images; it takes
    the place of ``flip``. Beside a pipeline that mirrors at random it has no effect; beside one that mirrors all
    images, or none, it has. ``distillation`` is the share of a teacher in the loss, at its ``temperature``
    (``nas.training.teacher``); then flips and crops are drawn for an epoch as a whole.
    """

    name: str
    phases: tuple[Phase, ...] = (Phase(),)
    batch_size: int = 128
    label_smoothing: float = 0.0
    ema_decay: float = 0.0
    norm_bias_lr: float = 1.0
    whitening: bool = False
    whitening_spread: bool = False
    dirac: bool = False
    low_resolution: float = 0.0
    flip: bool = False
    crop: int = 0
    mixup: float = 0.0
    mixup_growth: float = 0.0
    alternating_flip: bool = False
    distillation: float = 0.0
    temperature: float = 4.0
    precision: Setting = "auto"

    def __post_init__(self) -> None:
        """Check that the phases fill the whole and the ranges hold."""
        if not math.isclose(sum(phase.share for phase in self.phases), 1):
            raise UnusableInputError(f"the phases' shares do not add up to 1: {[phase.share for phase in self.phases]}")
        if self.batch_size < 1:
            raise UnusableInputError(f"batch_size is out of range: {self.batch_size}: give 1 or more")
        if not 0 <= self.label_smoothing < 1 or not 0 <= self.ema_decay < 1:
            raise UnusableInputError(
                f"label_smoothing or ema_decay is out of range: {self.label_smoothing}, {self.ema_decay}: "
                "give 0 or more and less than 1"
            )
        for name in ("low_resolution", "mixup", "mixup_growth", "distillation"):
            if not 0 <= getattr(self, name) <= 1:
                raise UnusableInputError(f"{name} is out of range: {getattr(self, name)}: give 0 to 1")
        if not 0 <= self.norm_bias_lr < math.inf:
            raise UnusableInputError(f"norm_bias_lr is out of range: {self.norm_bias_lr}: give 0 or more")
        if not 0 < self.temperature < math.inf:
            raise UnusableInputError(f"temperature is out of range: {self.temperature}: give more than 0")
        if self.crop < 0:
            raise UnusableInputError(f"crop is out of range: {self.crop}: give 0 or more pixels")

    def mixup_at(self, progress: float) -> float:
        """The largest share of another image in a mixture, at ``progress`` (0 to 1) through the training."""
        return self.mixup * min(progress / self.mixup_growth, 1.0) if self.mixup_growth else self.mixup

    def position(self, progress: float) -> tuple[int, float]:
        """Which phase ``progress`` (0 to 1 through the training) falls into, and how far through that it is."""
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
"""Share of a teacher in the loss where a recipe leaves it open."""
LONG = 30
"""Epochs from which on a training is a long one."""


def default(epochs: int) -> Recipe:
    """What a short training of a small network does best with, from 2 epochs on."""
    smoothing = 0.0 if epochs < LONG else 0.1  # tiny networks underfit in a short training
    muon = Phase(optimiser="muon", peak_lr=0.05, rest_lr=0.1, momentum=0.9, weight_decay=0.01)
    # At a high learning rate single weights jump about; their average ranks candidates in mid-training.
    return Recipe(
        name="default", phases=(muon,), label_smoothing=smoothing, ema_decay=0.99, whitening=True, whitening_spread=True
    )


def long(epochs: int) -> Recipe:
    """The default for 30 to 400 epochs: it averages over longer, and regularises what a short training does not need.

    Under 30 epochs the average is the default's, since one of 1,000 steps would lag behind.
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
    """What trains where no recipe is asked for: the default, and from LONG epochs on the long one."""
    return default(epochs) if epochs < LONG else long(epochs)


def sgd(epochs: int) -> Recipe:
    """The default without Muon and whitening, to measure what they are worth."""
    plain = Phase(peak_lr=0.2)
    return replace(default(epochs), name="sgd", phases=(plain,), whitening=False, whitening_spread=False)


def seed() -> Recipe:
    """The three phases of the hand-made network's training, scaled to any number of epochs.

    Of 400 epochs: 100 of SGD with a cyclic rate, 150 of Adam with a stepped one, 150 of SGD with a slowly
    falling one. What its author left open (Adam's steps) is filled in with the gamma of the first phase.
    """
    cyclic = Phase(share=0.25, schedule="cyclic", peak_lr=0.1, floor_lr=0.003, gamma=0.85, nesterov=False)
    adam = Phase(share=0.375, optimiser="adam", schedule="step", peak_lr=0.005, gamma=0.85, weight_decay=0.0)
    slow = Phase(share=0.375, schedule="step", peak_lr=0.001, step_epochs=2, gamma=0.93, nesterov=False)
    return Recipe(name="seed", phases=(cyclic, adam, slow), batch_size=512)
