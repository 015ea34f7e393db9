"""One training step: get a batch, compute gradients, update; on a GPU as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from nas.training import batchwise
from nas.training.averaging import Average
from nas.training.evaluation import Normalise
from nas.training.halves import Halves, Rows
from nas.training.optimisers import Optimisers
from nas.training.precision import Precision, autocast
from nas.training.recipes import Recipe
from nas.training.registered_tensors import RegisteredTensors

WARM_UP = 3
"""Steps on a GPU before the graph is captured, in which libraries choose algorithms and allocate memory."""
PARTS = 4
"""Number of parts of a batch that did not fit into memory."""
LOW = 0.75
"""Factor on an image's side at low resolution."""


@dataclass(kw_only=True)
class TrainingStep:
    """The state that a step reads and changes, all on one device.

    ``images`` (uint8, N x H x W x C) and ``labels`` are the epoch's; ``chosen`` (indices of the batch) is written
    before a step, and the step adds the batch's mean loss to ``loss``. Gradients are computed in ``parts`` of the batch
    and summed. The addresses of all tensors stay the same, so that a captured graph stays valid until ``renew``.
    """

    model: nn.Module
    recipe: Recipe
    optimisers: Optimisers
    average: Average | None
    normalise: Normalise
    precision: Precision
    images: torch.Tensor
    labels: torch.Tensor
    chosen: torch.Tensor
    loss: torch.Tensor
    is_captured: bool = True
    """Whether a GPU captures a step as a graph; not for user code, whose decisions a graph would not repeat."""
    parts: int = 1
    halves: Halves | None = None
    """Computes each half of a batch with half of the threads; None where all threads share every operation."""
    drawn: batchwise.Drawn | None = None
    """Random values that are drawn once per epoch."""
    targets: torch.Tensor | None = None
    """A teacher's logits on the epoch's images (N x classes, float16)."""
    registered: RegisteredTensors | None = None
    """What a user's model has registered, whose code may replace some of it in a forward pass."""
    low_resolution: bool = False
    warmed: int = 0
    graph: torch.cuda.CUDAGraph | None = None

    def __post_init__(self) -> None:
        """Allocate the tensors that a graph reads on the device."""
        self.strength = torch.zeros_like(self.loss) if self.recipe.mixup_growth else None

    def renew(self) -> None:
        """Discard the captured graph, since something that it contains has changed."""
        self.graph, self.warmed = None, 0

    def show(self, progress: float) -> None:
        """Set resolution and mixup of the next steps, at ``progress`` (0 to 1) through the training."""
        if self.strength is not None:
            self.strength.fill_(self.recipe.mixup_at(progress))
        low_resolution = self.recipe.has_low_resolution(progress)
        if low_resolution != self.low_resolution:
            self.low_resolution = low_resolution
            self.renew()

    def cut(self) -> None:
        """Compute gradients in PARTS of a batch from now on."""
        self.parts = PARTS
        self.optimisers.clear()
        self.renew()
        if self.images.is_cuda:
            torch.cuda.empty_cache()

    def threads(self) -> AbstractContextManager[None]:
        """The context in which steps run."""
        return self.halves.shared() if self.halves else nullcontext()

    def run(self, chosen: torch.Tensor) -> None:
        """Run one step on the images at the indices ``chosen``."""
        self.chosen.copy_(chosen)
        if not self.images.is_cuda or not self.is_captured:
            self._differentiate()
            if self.registered is not None:
                self.registered.settle()
            self._update()
        elif self.optimisers.is_capturable:
            self._captured(whole=True)
        else:
            self._captured(whole=False)
            self._update()

    def _captured(self, *, whole: bool) -> None:
        """Replay the graph; before it is captured, run normal steps on a side stream, as capturing requires."""
        if self.graph is None and self.warmed < WARM_UP:
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._work(whole=whole)
            torch.cuda.current_stream().wait_stream(stream)
            self.warmed += 1
            return
        if self.graph is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):  # records without running
                self._work(whole=whole)
            self.graph = graph
        self.graph.replay()

    def _work(self, *, whole: bool) -> None:
        self._differentiate()
        if whole:
            self._update()

    def _differentiate(self) -> None:
        self.optimisers.clear()
        for chosen in self.chosen.tensor_split(self.parts):
            loss = self._loss(chosen)
            if self.halves and len(chosen) >= self.halves.least:
                self.loss += self.halves.differentiate(len(chosen), loss)
            else:
                whole = loss(self.model, slice(len(chosen)))
                whole.backward()  # type: ignore[no-untyped-call]
                self.loss += whole.detach()

    def _loss(self, chosen: torch.Tensor) -> Callable[[nn.Module, Rows], torch.Tensor]:
        """A function (network, rows) -> contribution to the step's loss; all random values are drawn in this call."""
        images = self._changed(self.normalise(self.images[chosen]), chosen)
        strength = self.recipe.mixup if self.strength is None else self.strength
        share = batchwise.mixture(strength, images.device) if self.recipe.mixup else None
        if share is not None:
            images = batchwise.mix(images, share)

        def loss(model: nn.Module, rows: Rows) -> torch.Tensor:
            with autocast(self.precision, images.device):
                logits = model(images[rows]).float()
            weight = len(logits) / len(self.chosen)
            found = self._against(logits, chosen[rows])
            if share is not None:
                found = share * found + (1 - share) * self._against(logits, chosen.flip(0)[rows])
            return found * weight

        return loss

    def _against(self, logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """The loss of logits against the labels of the ``chosen`` images and, with a teacher, its logits."""
        targets = None if self.targets is None else self.targets[chosen]
        return self.recipe.loss(logits, self.labels[chosen], targets)

    def _changed(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Apply the recipe's image options to a batch, the epoch's ``chosen`` images."""
        images = self.recipe.changed(images, self.drawn[chosen] if self.drawn else None)
        return shrink(images) if self.low_resolution else images

    def _update(self) -> None:
        self.recipe.update(self.optimisers, self.average)


def shrink(images: torch.Tensor) -> torch.Tensor:
    """Standardised images (N x C x H x W, float32) at LOW of their height and width, in channels_last."""
    size = [max(round(side * LOW), 1) for side in images.shape[2:]]
    small = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
    return small.contiguous(memory_format=torch.channels_last)
