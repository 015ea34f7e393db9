"""The outputs of a trained network of user code on a few images, stored with its weights.

By them, a network that is made again and gets the weights is known to be the same. It is another one where the code
keeps values outside of the state_dict that differ from one run to the next.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from constraints.errors import UnusableInputError

OUTPUTS = "outputs"
"""Metadata key in a file of weights."""
_IMAGES = 2
_TOLERANCE = 1e-3
"""Share of the largest output by which rounding may change one, on another processor too."""


def outputs_text(model: nn.Module, shape: tuple[int, ...]) -> str:
    """The outputs of the model in eval mode, as JSON; empty where they are not finite, or cannot be computed."""
    found = _outputs(model, shape)
    return "" if found is None or not found.isfinite().all() else json.dumps(found.tolist())


def check_outputs(model: nn.Module, shape: tuple[int, ...], weights: Path) -> None:
    """Raise UnusableInputError where the model, with these weights loaded, has other outputs than are stored there."""
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        kept = (file.metadata() or {}).get(OUTPUTS)
    if not kept:
        return
    wanted, found = torch.tensor(json.loads(kept)), _outputs(model, shape)
    if found is None or not _agree(wanted, found):
        raise UnusableInputError(
            "the network that the code makes now, with the trained weights, has other outputs than the trained one: it "
            "keeps values outside of its state_dict, or reads files that have changed: make such values buffers "
            "(register_buffer), and train it again"
        )


def _outputs(model: nn.Module, shape: tuple[int, ...]) -> torch.Tensor | None:
    images = torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0))
    was_training = model.training
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            torch.manual_seed(0)  # for a model that draws numbers in eval mode, too
            found = model.eval()(images)
    except Exception:  # user code, which may need a whole batch
        return None
    finally:
        model.train(was_training)
    return found.flatten(1).float().cpu() if isinstance(found, torch.Tensor) and found.ndim else None


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape:
        return False
    return bool((one - other).abs().max() <= _TOLERANCE * one.abs().max().clamp_min(1))
