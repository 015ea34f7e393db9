"""Options of a phase: its optimiser and its learning-rate schedule, and how torch's optimisers are created."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nas.training.options.declaration import check, option

if TYPE_CHECKING:
    import torch

Optimiser = Literal["sgd", "adam", "adamw", "muon"]
Schedule = Literal["one-cycle", "cyclic", "step"]
_MUON = ("optimiser", ("muon",))
_MOMENTUM = ("optimiser", ("sgd", "muon"))
_CYCLES = ("schedule", ("one-cycle", "cyclic"))
_STEPS = ("schedule", ("cyclic", "step"))
MOST = 1000
"""Largest learning rate, decay and factor; with more, the first step leaves the range of float32 or nearly so."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a training with one optimiser and one learning-rate schedule.

    One-cycle rises linearly over ``warmup`` and falls linearly to ``floor_lr``. Cyclic rises for ``step_epochs`` and
    falls for as many; each cycle is lower than the one before by the factor ``gamma``. Step multiplies the rate by
    ``gamma`` every ``step_epochs``. Muon updates dense filters; SGD updates the other weights, with ``rest_lr`` and
    ``rest_weight_decay``.
    """

    share: float = option(1.0, "share of all epochs", low=0, high=1, above=True, is_tuned=False)
    optimiser: Optimiser = option("sgd", "what turns gradients into updates: sgd, adam, adamw or muon")
    schedule: Schedule = option("one-cycle", "how the rate changes: one-cycle, cyclic or step")
    peak_lr: float = option(0.2, "the highest learning rate", low=0, high=MOST, factor=4)
    rest_lr: float = option(
        0.1, "the highest rate of what Muon does not update", low=0, high=MOST, factor=4, used_under=_MUON
    )
    floor_lr: float = option(
        0.0, "the rate at which a cycle begins and ends", low=0, high=MOST, tune=(0.0, 0.01), used_under=_CYCLES
    )
    warmup: float = option(
        0.2, "share of the phase in which the rate rises", low=0, high=1, tune=(0.0, 0.5),
        used_under=("schedule", ("one-cycle",)),
    )  # fmt: skip
    step_epochs: float = option(
        10, "epochs of half a cycle, or between two steps", low=0, above=True, unit="epochs", factor=2,
        used_under=_STEPS,
    )  # fmt: skip
    gamma: float = option(
        1.0, "what a cycle or a step multiplies the rate by", low=0, high=MOST, tune=(0.5, 1.0), used_under=_STEPS
    )
    momentum: float = option(
        0.9, "share of the last update in the next", low=0, high=1, tune=(0.8, 0.99), used_under=_MOMENTUM
    )
    nesterov: bool = option(True, "takes the gradient where the momentum leads", used_under=_MOMENTUM)
    weight_decay: float = option(5e-4, "decay of the weights", low=0, high=MOST, factor=10, middle=1e-4)
    rest_weight_decay: float = option(
        0.0,
        "decay of the weights that Muon does not update",
        low=0,
        high=MOST,
        factor=10,
        middle=1e-4,
        used_under=_MUON,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

    def learning_rate(self, progress: float, epochs: float) -> float:
        """The rate at ``progress`` (0 to 1) through this phase of ``epochs``: a closed form, without state."""
        if self.schedule == "one-cycle":
            rising = progress / self.warmup if self.warmup else math.inf
            falling = (1 - progress) / (1 - self.warmup) if self.warmup < 1 else math.inf
            return self.floor_lr + (self.peak_lr - self.floor_lr) * min(rising, falling)
        turns = progress * epochs / self.step_epochs
        if self.schedule == "step":
            return self.peak_lr * self._after(turns)
        height = 1 - abs(turns % 2 - 1)
        return self.floor_lr + (self.peak_lr - self.floor_lr) * height * self._after(turns / 2)

    def _after(self, turns: float) -> float:
        """``gamma`` to the power of the whole ``turns``; infinite where that is past every float."""
        try:
            return float(self.gamma ** math.floor(turns))
        except OverflowError:
            return math.inf if self.gamma > 1 else self.gamma**turns

    @property
    def learns(self) -> bool:
        """Whether the rate is ever above 0."""
        return self.peak_lr > 0 or (self.schedule != "step" and self.floor_lr > 0)

    @property
    def elementwise_decay(self) -> float:
        """The decay of the weights that ``elementwise`` updates."""
        return self.rest_weight_decay if self.optimiser == "muon" else self.weight_decay

    @property
    def elementwise_scale(self) -> float:
        """Factor on the schedule's rate for the weights that ``elementwise`` updates."""
        return self.rest_lr / self.peak_lr if self.optimiser == "muon" and self.peak_lr else 1.0

    def elementwise(self, groups: list[dict[str, Any]], *, fused: bool, capturable: bool) -> torch.optim.Optimizer:
        """The optimiser that updates weights elementwise; with Muon, the one of the other weights."""
        from nas.training.uncompiled import SGD, Adam, AdamW

        if self.optimiser in ("sgd", "muon"):
            nesterov = self.nesterov and self.momentum > 0
            return SGD(groups, lr=self.peak_lr, momentum=self.momentum, nesterov=nesterov, fused=fused)
        kind = Adam if self.optimiser == "adam" else AdamW
        return kind(groups, lr=self.peak_lr, fused=fused, capturable=capturable)

    def orthogonal(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Muon, which updates filter banks as matrices."""
        from nas.training.muon import Muon

        return Muon(groups, lr=self.peak_lr, momentum=self.momentum, weight_decay=self.weight_decay)
