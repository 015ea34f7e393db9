"""Compares a written network, read back, with the one that was written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.architecture.spec import Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

TOLERANCE = 1e-5
"""Largest allowed difference of a logit, absolute and relative, between a file and its network, ..."""
OF_OWN_ERROR = 10.0
"""... or this many times the network's own float32 error, where that is more, ..."""
MOST_ERROR = 1e-4
"""... but never more than this share of the largest logit, beyond which the comparison would be meaningless."""
_BATCH = 4


class DifferentOutputsError(UnusableInputError):
    """The written file computes something else than the network."""


def images_for(input: Shape) -> torch.Tensor:
    """Images (several x channels x height x width) on which a written network is compared; always the same."""
    import torch

    return torch.randn(_BATCH, *input, generator=torch.Generator().manual_seed(0), dtype=torch.float32)


def compare(made: Callable[[torch.Tensor], torch.Tensor], model: nn.Module, images: torch.Tensor, path: Path) -> None:
    """Raise DifferentOutputsError where what was ``made`` differs from the network by more than rounding does.

    Both are compared with the network in float64. The error of float32 depends on the network: with logits in the
    thousands, a logit near 0 is off by 1e-3 just by the order of summation.
    """
    import torch

    found = model(images.clone()).double()  # a model may write into its images
    try:
        exact = copy.deepcopy(model).double()(images.double())
    except (RuntimeError, TypeError, ValueError):  # a user's model may need float32
        exact = found
    own_error = (found - exact).abs().max()
    allowed = torch.minimum(OF_OWN_ERROR * own_error, MOST_ERROR * exact.abs().max())
    gaps = (made(images.clone()).double() - exact).abs()
    if not (gaps <= torch.maximum(allowed, TOLERANCE * (1 + exact.abs()))).all():  # false for NaN too
        raise DifferentOutputsError(
            f"{path.name} would compute something else: logits differ by up to {gaps.max().item():.2g}, and float32 "
            f"itself is off by {own_error.item():.2g}: nothing was written"
        )
