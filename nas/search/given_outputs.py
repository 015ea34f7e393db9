"""The outputs of a trained network of user code on a few images, stored with its weights.

By them, a network that is made again and gets the weights is known to be the same. It is another one where the code
keeps values outside of the state_dict that differ from one run to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from constraints.errors import UnusableInputError, with_type
from constraints.process_state import process_kept
from constraints.sandbox.seeding import seed_everything

OUTPUTS, WHY_NONE = "outputs", "no_outputs"
"""Metadata keys in a file of weights: the outputs as JSON, or why there are none, in words."""
_IMAGES = 2
_LONGEST = 120
_TOLERANCE = 1e-3
"""Share of the largest output by which rounding may change one, on another processor too."""


class _NoOutputsError(Exception):
    """The model has no outputs to compare; the message says why."""


def outputs_metadata(model: nn.Module, shape: tuple[int, ...]) -> Mapping[str, str]:
    """The outputs of the model in eval mode, as metadata for its file of weights; or why it has none to compare.

    They are computed twice, since a model that draws numbers, counts its calls or reads a clock is known by none.
    """
    try:
        first, second = _outputs(model, shape), _outputs(model, shape)
    except _NoOutputsError as error:
        return {WHY_NONE: str(error)}
    if not first.isfinite().all():
        return {WHY_NONE: "its outputs are infinite or not a number"}
    if not _agree(first, second):
        return {WHY_NONE: "it gives other outputs for the same images each time"}
    return {OUTPUTS: json.dumps(first.tolist())}


def check_outputs(model: nn.Module, shape: tuple[int, ...], weights: Path) -> str:
    """Compare the outputs of the model, with these weights loaded, with those stored there.

    Returns why there was nothing to compare, or an empty text. Raises UnusableInputError where they differ.
    """
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata() or {}
    if not metadata.get(OUTPUTS):
        return str(metadata.get(WHY_NONE, ""))
    wanted = torch.tensor(json.loads(metadata[OUTPUTS]), dtype=torch.float32)
    try:
        found = _outputs(model, shape)
    except _NoOutputsError as error:
        raise UnusableInputError(
            f"the network that the code makes now cannot be compared with the trained one: {error}: give it what it "
            "needs, or train it again"
        ) from error
    if not _agree(wanted, found):
        raise UnusableInputError(
            "the network that the code makes now, with the trained weights, has other outputs than the trained one: it "
            "keeps values outside of its state_dict, or reads files that have changed: make such values buffers "
            "(register_buffer), and train it again"
        )
    return ""


def _outputs(model: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    images = torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    was_training = model.training
    try:
        with torch.no_grad(), process_kept():
            seed_everything(0)  # for a model that draws numbers in eval mode, too
            model.eval()
            found = model(images)
    except Exception as error:  # user code, which may need a whole batch
        raise _NoOutputsError(f"it does not run on {_IMAGES} images: {with_type(error, _LONGEST)}") from error
    finally:
        model.train(was_training)
    if not isinstance(found, torch.Tensor) or not found.ndim:
        raise _NoOutputsError(f"it gives no tensor with a row for each image: {type(found).__name__}")
    return found.flatten(1).float().cpu()


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape:
        return False
    return bool((one - other).abs().max() <= _TOLERANCE * one.abs().max().clamp_min(1))
