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


class Scores(NamedTuple):
    """The accuracies of a model on labelled images."""

    accuracy: float
    """Share of the images that it names right."""
    balanced_accuracy: float
    """Mean, over the classes that the images hold, of the share of a class's images that it names right (its recall).

    Chance is one over the number of classes however many images each has (Brodersen et al., *The balanced accuracy and
    its posterior distribution*, 2010).
    """


def normaliser(mean: np.ndarray, std: np.ndarray, device: torch.device) -> Normalise:
    """A function from uint8 N x H x W x C to standardised float32 N x C x H x W in channels_last.

    ``mean`` and ``std`` are per channel on the 0 to 1 scale. Images stored with the channels last need no copy to
    become channels_last: the axes are only renamed.
    """
    scale = torch.tensor(1 / (255 * std), dtype=torch.float32, device=device).view(1, -1, 1, 1)
    shift = torch.tensor(-mean / std, dtype=torch.float32, device=device).view(1, -1, 1, 1)

    def normalise(images: torch.Tensor) -> torch.Tensor:
        pixels = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float()
        return torch.addcmul(shift, pixels, scale).contiguous(memory_format=torch.channels_last)

    return normalise


@torch.inference_mode()
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
    """Judge the highest logit of each of ``images`` (uint8, N x H x W x C) by its label.

    The model is put in eval mode for the time, and left in the mode in which it was.
    """
    place = torch.device(device)
    normalise, was_training = normaliser(mean, std, place), model.training
    model.eval()
    is_right = torch.zeros(len(labels), dtype=torch.bool, device=place)
    try:
        for start in range(0, len(labels), BATCH):
            rows = slice(start, start + BATCH)
            wanted = torch.from_numpy(np.array(labels[rows])).to(place)
            with autocast(precision, place):
                logits = model(normalise(torch.from_numpy(np.array(images[rows]))))
            is_right[rows] = logits.argmax(1) == wanted
    finally:
        model.train(was_training)
    return scores(labels, is_right.cpu().numpy())


def scores(labels: np.ndarray, is_right: np.ndarray) -> Scores:
    """The scores of (N,) labels, not negative, of which ``is_right`` says which were named right."""
    images, right = np.bincount(labels), np.bincount(labels, weights=is_right)
    held = images > 0
    return Scores(int(is_right.sum()) / len(labels), float((right[held] / images[held]).mean()))
