"""Accuracy and balanced accuracy of a model on labelled images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from nas.training.precision import Precision, autocast

Normalise = Callable[[torch.Tensor], torch.Tensor]

BATCH = 500
"""Images that an accelerator classifies at once."""
CPU_BATCH = 100
"""Images that a processor classifies at once: few, so that the maps of a layer stay in its cache.

With 500 images of 32x32 pixels a network of 15 million MACs took 1.7 times as long (AMD EPYC, AVX2).
"""


class NotANumberError(Exception):
    """Outputs are not a number, so that no class has the highest one; the message has the number of images."""


class Scores(NamedTuple):
    """The accuracies of a model on labelled images."""

    accuracy: float
    """Share of correctly classified images."""
    balanced_accuracy: float
    """Mean recall over the classes that occur among the images.

    Chance is one over the number of classes however many images each has (Brodersen et al., *The balanced accuracy and
    its posterior distribution*, 2010).
    """


def normaliser(mean: np.ndarray, std: np.ndarray, device: torch.device) -> Normalise:
    """A function from uint8 N x H x W x C to standardised float32 N x C x H x W in channels_last.

    ``mean`` and ``std`` are per channel on the 0 to 1 scale. Images stored with channels last need no copy to become
    channels_last: the axes are only permuted.
    """
    scale = torch.tensor(1 / (255 * std), dtype=torch.float32, device=device).view(1, -1, 1, 1)
    shift = torch.tensor(-mean / std, dtype=torch.float32, device=device).view(1, -1, 1, 1)

    def normalise(images: torch.Tensor) -> torch.Tensor:
        pixels = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float()
        return torch.addcmul(shift, pixels, scale).contiguous(memory_format=torch.channels_last)

    return normalise


def batch_size(device: torch.device) -> int:
    """The number of images that ``device`` classifies at once."""
    return CPU_BATCH if device.type == "cpu" else BATCH


@torch.no_grad()
def evaluate(  # noqa: PLR0917 - in the order in which they are thought of
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray,
    device: str = "cpu",
    *,
    precision: Precision = "float32",
) -> Scores:
    """Scores of the highest logit for each of ``images`` (uint8, N x H x W x C) against its label.

    The model is in eval mode meanwhile, and its mode is restored. It may take gradients of its own
    (torch.enable_grad()), which torch's inference mode would not allow. Raises NotANumberError.
    """
    place = torch.device(device)
    normalise, was_training, size = normaliser(mean, std, place), model.training, batch_size(place)
    model.eval()
    is_right = torch.zeros(len(labels), dtype=torch.bool, device=place)
    spoilt = torch.zeros((), dtype=torch.int64, device=place)
    try:
        for start in range(0, len(labels), size):
            rows = slice(start, start + size)
            wanted = torch.from_numpy(np.array(labels[rows])).to(place)
            with autocast(precision, place):
                logits = model(normalise(torch.from_numpy(np.array(images[rows]))))
            is_right[rows] = logits.argmax(1) == wanted
            spoilt += logits.isnan().any(1).sum()
    finally:
        model.train(was_training)
    if spoilt:
        raise NotANumberError(f"outputs are not a number for {int(spoilt)} of {len(labels)} images")
    return scores(labels, is_right.cpu().numpy())


def scores(labels: np.ndarray, is_right: np.ndarray) -> Scores:
    """The scores for non-negative ``labels`` (N,); ``is_right`` (N,) marks the correctly classified images."""
    images, right = np.bincount(labels), np.bincount(labels, weights=is_right)
    held = images > 0
    return Scores(int(is_right.sum()) / len(labels), float((right[held] / images[held]).mean()))
