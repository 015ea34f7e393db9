"""What makes the training of a user's model another one than its author may expect, in lines for the user."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from constraints.owners import is_users
from nas.training.evaluation import batch_size
from nas.training.given_copy import model_copy
from nas.training.given_model import GivenModel, placed

_SHOWN = 3
"""Most names in a message."""
_BOUNDED = {"Sigmoid": ("a sigmoid", 1.0), "Hardsigmoid": ("a hard sigmoid", 1.0), "Tanh": ("a tanh", 2.0)}
"""Autograd's name of an operation with bounded values -> what it is, and how far two of its values may be apart."""
_OF_LIGHTNING = ("training_step", "configure_optimizers")
"""Methods by which Lightning would train a model."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a training step showed of a model."""

    gives_probabilities: bool
    changing: Sequence[str]
    """Values outside of the state_dict that it changed."""
    untrained: Sequence[str]
    """What got a gradient and is no parameter of the model."""
    last: str
    """The operation that computed the outputs, as autograd names it."""


def doubts(model: GivenModel, images: torch.Tensor, tried: Tried) -> Iterator[str]:
    """Why an accuracy, an export or a resumed training may differ from the training that was seen, in lines."""
    if tried.changing:
        yield (
            f"{', '.join(tried.changing[:_SHOWN])} {'change' if len(tried.changing) > 1 else 'changes'} in training "
            "outside of the state_dict: accuracies are measured, and exports and a resumed training begin, with the "
            "first value: to keep it, make it a buffer (register_buffer)"
        )
    yield from _untrained(tried.untrained)
    yield from _bounded(tried.last, model.classes)
    yield from _unused(model)
    yield from _unsteady(model, images)
    yield from _seeding(model, images)


def _untrained(names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield (
            f"not trained, though the outputs depend on it, since the model does not register it as a parameter: "
            f"{', '.join(names[:_SHOWN])}{more}: register it in __init__ (nn.Parameter, nn.ModuleList), or freeze it "
            "(requires_grad_(False))"
        )


def _bounded(last: str, classes: int) -> Iterator[str]:
    if last in _BOUNDED:
        name, width = _BOUNDED[last]
        least = math.log1p((classes - 1) * math.exp(-width))  # of a cross-entropy with one logit ``width`` above others
        yield (
            f"the model ends in {name}, whose values are trained as logits: their loss cannot fall below {least:.2f} "
            f"with {classes} classes: let its forward method return what goes into it"
        )


def _unused(model: GivenModel) -> Iterator[str]:
    """Name the methods of the user's by which Lightning would train the model."""
    own = [name for name in _OF_LIGHTNING if is_users(_file(getattr(type(model.model), name, None)))]
    if own:
        yield (
            f"{' and '.join(own)} of the model {'are' if len(own) > 1 else 'is'} not called: it is trained as "
            "candidates are, by the recipe"
        )


def _file(method: Any) -> str:
    """The file of a method's code; that of no user's where there is none."""
    code = getattr(method, "__code__", None)
    return "<none>" if code is None else str(code.co_filename)


def _unsteady(model: GivenModel, images: torch.Tensor) -> Iterator[str]:
    """Compare outputs in eval mode for the same images, and for some of them alone."""
    tried = placed(model_copy(model), images.device, model.layout).eval()
    with torch.no_grad(), torch.random.fork_rng([images.device] if images.is_cuda else []):
        first, second = tried(images.clone()), tried(images.clone())
        if not _are_close(first, second):
            yield "the model gives other outputs for the same images in eval mode: each evaluation has another accuracy"
            return
        alone = first
        with suppress(Exception):  # of code that needs as many images; its evaluation then says so
            alone = tried(images[: len(images) // 2].clone())
    if not _are_close(first[: len(alone)], alone):
        yield (
            "in eval mode the model's outputs for an image depend on the other images of its batch: accuracies are "
            f"those of batches of {batch_size(images.device)} images, and an image alone may get another class: let "
            "norms keep running statistics, and mix no images along the batch axis"
        )


def _seeding(model: GivenModel, images: torch.Tensor) -> Iterator[str]:
    """Compare the state of torch's generator after two forward passes that began with other seeds."""
    after = []
    with suppress(Exception), torch.no_grad(), torch.random.fork_rng([images.device] if images.is_cuda else []):
        tried = placed(model_copy(model), images.device, model.layout).train()
        for seed in (1, 2):
            torch.manual_seed(seed)
            tried(images.clone())
            after.append(torch.get_rng_state())
    if len(after) > 1 and torch.equal(*after):
        yield (
            "the model's forward pass seeds torch's random numbers: dropout and what the recipe draws are the same in "
            "every step: take torch.manual_seed out of it, or draw from a torch.Generator of its own"
        )


def _are_close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3, equal_nan=True)
