"""Options of the initial weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas.training.options.declaration import option

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class FirstWeightOptions:
    """How the initial weights are computed.

    Without ``whitening_spread``, as in studies of earlier releases, whitening uses the first images of the data, and
    leaves out no direction.
    """

    whitening: bool = option(
        False, "begins with a first convolution that decorrelates patches of the images, and keeps it"
    )
    whitening_spread: bool = option(
        False, "takes these images from all classes, and leaves out directions in which they do not vary"
    )
    dirac: bool = option(False, "begins with convolutions that pass their input channels on")

    def initialise(self, model: nn.Module, sample: Callable[[], torch.Tensor]) -> None:
        """Initialise ``model``; ``sample`` returns standardised images, N x C x H x W.

        In a user's model, only a convolution that is known to read the images directly is whitened.
        """
        from nas.training import initialisation
        from nas.training.given_model import GivenModel

        least = initialisation.LEAST_DEVIATION if self.whitening_spread else 0.0
        if isinstance(model, GivenModel):
            if self.whitening and model.first:
                initialisation.whiten(model.get_submodule(model.first), sample(), least=least)
            return
        if self.whitening:
            initialisation.whiten(model, sample(), least=least)
        if self.dirac:
            initialisation.pass_on(model)

    def sampled(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Indices of the images from which whitening is computed, in the data's order, by their labels."""
        from nas.training.initialisation import SAMPLE, spread

        return spread(labels, SAMPLE) if self.whitening_spread else np.arange(min(SAMPLE, len(labels)))
