"""Random changes to a whole batch at once, on top of augmented images: flips, crops and mixup.

Images are standardised float32, N x C x H x W. Random numbers come from torch's generator on the images' device, and
none is read on the host, so that everything may be part of a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Random values drawn once for all N images of an epoch; None for those that are drawn batch by batch."""

    mirrored: torch.Tensor | None = None
    """Whether each image is mirrored left to right (N, bool)."""
    corners: torch.Tensor | None = None
    """Top and left of each image's window in the padded image (2 x N, int64)."""

    def __getitem__(self, chosen: torch.Tensor | slice) -> Drawn:
        """The values of some of the images."""
        mirrored = None if self.mirrored is None else self.mirrored[chosen]
        return Drawn(mirrored=mirrored, corners=None if self.corners is None else self.corners[:, chosen])

    def to(self, device: torch.device) -> Drawn:
        """A copy on another device."""
        tensors = {name: None if tensor is None else tensor.to(device) for name, tensor in vars(self).items()}
        return Drawn(**tensors)

    def copy_(self, other: Drawn) -> None:
        """Copy another epoch's values into the tensors that a CUDA graph reads."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            if mine is not None:
                mine.copy_(theirs)


def flip(images: torch.Tensor) -> torch.Tensor:
    """Each image mirrored left to right with probability a half."""
    return mirror(images, torch.rand(len(images), device=images.device) < 0.5)


def mirror(images: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """The images, mirrored left to right where ``mirrored`` (N) is true."""
    return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)


def crop(images: torch.Tensor, pad: int, corners: torch.Tensor | None = None) -> torch.Tensor:
    """Each image shifted by up to ``pad`` pixels along either axis, with reflection padding.

    ``corners`` (2 x N, top and left, from 0 to twice ``pad``) are drawn if not given.
    """
    count, _, height, width = images.shape
    padded = F.pad(images, (pad, pad, pad, pad), mode="reflect")
    if corners is None:
        corners = torch.randint(0, 2 * pad + 1, (2, count), device=images.device)
    top, left = corners.view(2, count, 1, 1)
    rows = top + torch.arange(height, device=images.device).view(1, -1, 1)
    columns = left + torch.arange(width, device=images.device).view(1, 1, -1)
    number = torch.arange(count, device=images.device).view(-1, 1, 1)
    moved = padded.permute(0, 2, 3, 1)[number, rows, columns]
    return moved.permute(0, 3, 1, 2)  # channels last in memory


def mixture(strength: float | torch.Tensor, device: torch.device) -> torch.Tensor:
    """The weight of a batch's own images in mixup: uniform between 1 - ``strength`` and 1."""
    return 1 - strength * torch.rand((), device=device)


def mix(images: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Mixup: ``share`` of each image, the rest its counterpart in the reversed batch (Zhang et al., 2018)."""
    return share * images + (1 - share) * images.flip(0)
