"""Weight initialisations that a recipe may choose instead of torch's default."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

SAMPLE = 1000
"""Images whose patches are decorrelated."""
LEAST_DEVIATION = 1e-3
"""Least deviation of standardised images along a component; 8-bit rounding alone gives several times as much."""
EPSILON = 5e-4
"""Added to each deviation, so that directions in which the images hardly vary are not amplified too much."""


def spread(labels: npt.NDArray[np.int64], count: int, *, seed: int = 0) -> npt.NDArray[np.int64]:
    """Sorted indices of ``count`` random labels, with classes as equally represented as possible; fixed by ``seed``."""
    order = np.random.default_rng(seed).permutation(len(labels))
    places = np.empty(len(order), dtype=np.int64)
    for number in np.unique(labels):
        of_class = labels[order] == number
        places[of_class] = np.arange(of_class.sum())
    chosen: npt.NDArray[np.int64] = np.sort(order[np.argsort(places, kind="stable")[:count]])
    return chosen


def whiten(model: nn.Module, images: torch.Tensor, *, least: float = 0.0) -> None:
    """Make the first convolution's filters the whitened principal components of the images' patches, and freeze them.

    ``images``: standardised, N x C x H x W. Each component is used with both signs, since a ReLU mostly follows;
    filters beyond twice the number of components keep their weights, but are frozen too. After Page, How to Train Your
    ResNet 8 (2019), and Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU (2024). A first layer that is not a
    convolution, is grouped, or has fewer filters than a patch has values is left unchanged: it would lose too much.
    Components along which the images deviate by less than ``least`` are left out. Grey images in three channels have
    such components: their filters would be 1 / EPSILON times as large, and would amplify rounding errors, which differ
    between bfloat16 and float32 and which a network would then learn.
    """
    conv = next((module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)), None)
    stem = next((module for module in model.modules() if isinstance(module, nn.Conv2d | nn.PixelUnshuffle)), None)
    if not isinstance(conv, nn.Conv2d) or conv.groups > 1 or conv.out_channels < conv.weight[0].numel():
        return
    shown = stem(images) if isinstance(stem, nn.PixelUnshuffle) else images
    components = _components(shown, (conv.kernel_size[0], conv.kernel_size[1]), least)[: conv.out_channels // 2]
    filters = torch.cat([components, -components]).view(-1, *conv.weight.shape[1:])
    with torch.no_grad():
        conv.weight[: len(filters)] = filters.to(conv.weight)
    conv.weight.requires_grad_(False)


def _components(images: torch.Tensor, kernel: tuple[int, int], least: float) -> torch.Tensor:
    """Principal components of all patches as rows, strongest first, each divided by the deviation along it."""
    patches = F.unfold(images, kernel).transpose(1, 2).flatten(0, 1).double()
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    deviations = values.clamp(min=0).sqrt()
    components: torch.Tensor = (vectors / (deviations + EPSILON)).T[deviations >= least].flip(0)
    return components


def pass_on(model: nn.Module) -> None:
    """Initialise every ungrouped convolution that adds channels as an identity of its input (``nn.init.dirac_``).

    The first convolution, the classifier and convolutions inside a residual block (which already has an identity path)
    keep their weights; so do the filters beyond the number of input channels.
    """
    within = {id(layer) for block in model.modules() if isinstance(block, _residuals()) for layer in block.modules()}
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for conv in convs[1:-1]:
        if id(conv) not in within and conv.groups == 1 and conv.out_channels >= conv.in_channels:
            with torch.no_grad():
                nn.init.dirac_(conv.weight[: conv.in_channels])


def _residuals() -> tuple[type[nn.Module], ...]:
    from nas.architecture.blocks import Residual, ScaledResidual

    return Residual, ScaledResidual
