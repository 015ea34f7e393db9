"""Random changes to a whole batch at once, on top of augmented images: flips, crops and mixup.

Images are standardised float32, N x C x H x W. What is drawn comes from torch's generator of the images' device, and no
value of it is read on the host, so that all of it may be part of a CUDA graph.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nas.training.recipes import Recipe


def changed(images: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """What a recipe does to a batch's images before any is mixed with another."""
    if recipe.crop:
        images = crop(images, recipe.crop)
    return flip(images) if recipe.flip else images


def flip(images: torch.Tensor) -> torch.Tensor:
    """Each image mirrored left to right with probability a half."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(3), images)


def crop(images: torch.Tensor, pad: int) -> torch.Tensor:
    """Each image moved by up to ``pad`` pixels along either axis, its border filled with its own reflection."""
    count, _, height, width = images.shape
    padded = F.pad(images, (pad, pad, pad, pad), mode="reflect")
    top, left = torch.randint(0, 2 * pad + 1, (2, count, 1, 1), device=images.device)
    rows = top + torch.arange(height, device=images.device).view(1, -1, 1)
    columns = left + torch.arange(width, device=images.device).view(1, 1, -1)
    number = torch.arange(count, device=images.device).view(-1, 1, 1)
    moved = padded.permute(0, 2, 3, 1)[number, rows, columns]
    return moved.permute(0, 3, 1, 2)  # the channels last in memory


def mixture(strength: float, device: torch.device) -> torch.Tensor:
    """The share of a batch's own images in its mixture: uniform between 1 - ``strength`` and 1."""
    return 1 - strength * torch.rand((), device=device)


def mix(images: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Each image, ``share`` of it, with the image of the same place from the batch's end (Zhang et al., 2018)."""
    return share * images + (1 - share) * images.flip(0)
