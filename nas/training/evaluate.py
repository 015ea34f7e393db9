"""Accuracy of a model on labelled images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from nas.training.precision import Precision, autocast

Normalise = Callable[[torch.Tensor], torch.Tensor]

BATCH = 500


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
) -> float:
    """Share of ``images`` (uint8, N x H x W x C) whose highest logit is that of their label.

    The model is put in eval mode for the time, and left in the mode in which it was.
    """
    place = torch.device(device)
    normalise, was_training = normaliser(mean, std, place), model.training
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=place)
    try:
        for start in range(0, len(labels), BATCH):
            rows = slice(start, start + BATCH)
            wanted = torch.from_numpy(np.array(labels[rows])).to(place)
            with autocast(precision, place):
                logits = model(normalise(torch.from_numpy(np.array(images[rows]))))
            correct += (logits.argmax(1) == wanted).sum()
    finally:
        model.train(was_training)
    return int(correct.item()) / len(labels)
