"""Try the user's own model on a few images before it is trained.

That finds the memory layout and precision in which it runs, whether its outputs are logits, and which convolution reads
the images directly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from constraints.errors import UnusableInputError, first_line, with_type
from constraints.faults import calls_user_code
from nas.training.given_copy import model_copy, not_called
from nas.training.given_doubts import Tried, doubts
from nas.training.given_model import GivenModel, placed
from nas.training.optimisers import Optimisers, computed_filters
from nas.training.precision import Precision, autocast
from nas.training.recipes import Recipe
from nas.training.registered_tensors import RegisteredTensors, last_operation, unregistered_weights
from nas.training.unstored_values import changed_values, unstored_values

_SUM_TOLERANCE = 1e-2


class NotFiniteError(UnusableInputError):
    """A model's outputs are infinite or not a number, before any training."""


@dataclass(frozen=True, kw_only=True)
class PreparedModel:
    """A model to train, the precision of its training, and messages for the user, a line each."""

    model: GivenModel
    precision: Precision
    notes: tuple[str, ...]


def prepare(
    model: GivenModel, images: torch.Tensor, recipe: Recipe, precision: Precision, *, is_finished: bool = False
) -> PreparedModel:
    """Try a model on ``images`` (standardised, N x C x H x W, on its device) without changing it.

    ``precision`` is the candidates' precision here; ``is_finished`` means that the model came with weights. Raises
    UnusableInputError for a model that cannot be trained; errors of its own code are passed on unchanged.
    """
    programs = (name for name, one in model.named_modules() if isinstance(one, torch.jit.ScriptModule) and _keeps(one))
    if name := next(programs, ""):
        raise UnusableInputError(
            f"the model is or holds a TorchScript program with weights, of which no average can be kept: {name}: "
            "give the module that it was made from"
        )
    _materialise(model, images)
    notes = [*_in_float32(model)]
    is_converted = bool(notes)
    notes += _made(model, images)
    if not any(p.requires_grad for p in model.parameters()):
        raise UnusableInputError("the model has nothing to train: no parameter requires a gradient: unfreeze some")
    try:
        chosen, tried = _working(model, images, precision)
    except (RuntimeError, TypeError) as error:
        if not is_converted:
            raise
        raise UnusableInputError(
            f"{notes[0]}, in which it does not run: {with_type(error)}: let its forward method convert the images to "
            "the type of its weights, or leave their type as it is"
        ) from error
    notes += doubts(model, images, tried)
    if chosen != precision:
        notes.append(f"the model is trained in {chosen}, since it does not run in {precision}")
    _check_optimisers(model, recipe)
    if any(phase.optimiser == "muon" for phase in recipe.phases) and (computed := computed_filters(model)):
        notes.append(
            f"the recipe's Muon leaves out computed weights ({len(computed)}, such as that of "
            f"{computed[0].removeprefix('model.')}), which learn by SGD: --recipe sgd may suit them better"
        )
    if model.gives_probabilities:
        notes.append("the model ends in a softmax: its logarithm is trained, which is the same as training its logits")
    if recipe.whitening:
        why = _whitening(model, images, chosen, is_finished=is_finished)
        notes += [f"the recipe's whitening is left out: {why}"] if why else []
    if recipe.dirac:
        notes.append("the recipe's dirac initialisation is left out: it knows the blocks of architectures alone")
    return PreparedModel(model=model, precision=chosen, notes=tuple(notes))


def _keeps(module: nn.Module) -> bool:
    return next(_tensors(module), None) is not None


def _tensors(model: nn.Module) -> Iterator[torch.Tensor]:
    return chain(model.parameters(), model.buffers())


def _materialise(model: GivenModel, images: torch.Tensor) -> None:
    """Run the model once, so that lazy modules create their parameters."""
    if any(is_lazy(tensor) for tensor in _tensors(model)):
        was_training = model.training
        with torch.no_grad():
            model.eval()(images)
        model.train(was_training)
    if any(is_lazy(tensor) for tensor in _tensors(model)):
        raise UnusableInputError("a lazy module is never called: its parameters have no shape: call it, or take it out")


def _made(model: GivenModel, images: torch.Tensor) -> Iterator[str]:
    """Run the model once if that makes parameters, so that its optimiser and its average get them."""
    if names := _made_names(model, images):
        was_training = model.training
        with torch.no_grad():
            model.eval()(images)
        model.train(was_training)
        list(_in_float32(model))
        yield f"the model makes {names[0]} in its first forward pass, which was run before its training"


def _made_names(model: GivenModel, images: torch.Tensor) -> list[str]:
    """The names of what a forward pass registers, tried on a copy; sets the layout that works."""
    devices = [images.device] if images.is_cuda else []
    for layout in (torch.channels_last, torch.contiguous_format):
        with suppress(Exception), torch.no_grad(), torch.random.fork_rng(devices):  # a step will raise it again
            tried = model_copy(model)
            tried.layout = layout
            registered = RegisteredTensors(tried.model)
            tried.eval()(images.clone())
            model.layout = layout
            return registered.made()
    return []


def _in_float32(model: GivenModel) -> Iterator[str]:
    """Convert weights to float32, as candidates' weights are; torch cannot multiply mixed precisions."""
    others = {str(t.dtype) for t in _tensors(model) if t.is_floating_point() and t.dtype != torch.float32}
    if others:
        model.float()
        yield f"the model's weights are trained in float32, not {', '.join(sorted(others))}"


def _working(model: GivenModel, images: torch.Tensor, precision: Precision) -> tuple[Precision, Tried]:
    """The first precision in which a training step works, preferably ``precision``, and what it showed.

    It sets the model's layout and kind of outputs.

    A step may fail because of the layout (``x.view(n, -1)`` of a channels-last map) or the precision (a float32
    constant in a product).
    """
    precisions: tuple[Precision, ...] = (precision, "float32") if precision != "float32" else ("float32",)
    first: Exception | None = None
    for chosen in precisions:
        for layout in (torch.channels_last, torch.contiguous_format):
            try:
                tried = _step(model, images.clone(), layout, chosen)
            except (RuntimeError, TypeError, ValueError, NotFiniteError) as error:
                first = error
            else:
                model.layout, model.gives_probabilities = layout, tried.gives_probabilities
                return chosen, tried
    assert first is not None
    raise first


def _step(model: GivenModel, images: torch.Tensor, layout: torch.memory_format, precision: Precision) -> Tried:
    """Run forward, backward and eval mode on a copy; UnusableInputError where it cannot be trained so."""
    with torch.random.fork_rng([images.device] if images.is_cuda else []):
        tried = model_copy(model)
        tried.layout, tried.gives_probabilities = layout, False
        tried = placed(tried, images.device, layout).train()
        before, registered = unstored_values(tried.model), RegisteredTensors(tried.model)
        with autocast(precision, images.device), not_called(model):
            outputs = tried(images)
        if not outputs.requires_grad:
            raise UnusableInputError(
                "the model's outputs depend on no weight that is trained: is its forward detached?"
            )
        rows = outputs.detach().float()
        if not rows.isfinite().all():
            raise NotFiniteError(_not_finite(model))
        untrained, last = unregistered_weights(tried.model, outputs), last_operation(outputs)
        loss = F.cross_entropy(outputs.float(), torch.arange(len(rows), device=rows.device) % model.classes)
        _differentiated(loss)
        registered.settle()
        changing = changed_values(tried.model, before)
        tried.eval()
        with torch.no_grad(), autocast(precision, images.device):
            tried(images)
    sums = rows.sum(1)
    is_probability = bool((rows >= 0).all() and ((sums - 1).abs() < _SUM_TOLERANCE).all()) and model.classes > 1
    return Tried(gives_probabilities=is_probability, changing=changing, untrained=untrained, last=last)


def _not_finite(model: GivenModel) -> str:
    what = "the model's outputs are infinite or not a number before any training"
    for name, weight in model.model.named_parameters():
        if not weight.isfinite().all():
            return f"{what}: so are values of {name}: load or initialise it again"
    return f"{what}, though its weights are finite: look for a division, logarithm or overflow in its forward"


def _check_optimisers(model: GivenModel, recipe: Recipe) -> None:
    """Raise UnusableInputError where the optimiser of a phase does not accept the weights."""
    for number, phase in enumerate(recipe.phases):
        try:
            Optimisers(model, recipe, number)
        except (RuntimeError, TypeError, ValueError) as error:
            kinds = ", ".join(sorted({str(weight.dtype) for weight in model.parameters()}))
            raise UnusableInputError(
                f"the recipe's {phase.optimiser} cannot train weights of {kinds}: {first_line(error)}: "
                "keep them as dense float32 tensors, or give another --recipe"
            ) from error


@calls_user_code
def _differentiated(loss: torch.Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def _whitening(model: GivenModel, images: torch.Tensor, precision: Precision, *, is_finished: bool) -> str:
    """Find the convolution to whiten; returns why there is none, or an empty text."""
    if is_finished:
        return "the model came with its weights, which it would not fit: name its class to train it from the start"
    found: list[tuple[nn.Conv2d, bool]] = []

    def note(conv: nn.Conv2d, arguments: tuple[Any, ...], _: Any) -> None:
        found.append((conv, bool(arguments) and isinstance(arguments[0], torch.Tensor) and _same(arguments[0], shown)))

    shown = images.contiguous(memory_format=model.layout)
    tried = model_copy(model)
    names = {module: name for name, module in tried.named_modules()}
    for module in tried.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad(), torch.random.fork_rng([]), autocast(precision, images.device):
        tried.eval()(shown)
    takers = {conv for conv, is_taker in found if is_taker}
    if len(takers) != 1 or sum(conv in takers for conv, _ in found) != 1:
        return "no convolution alone takes the images as they are"
    conv = next(iter(takers))
    if why := _unfit(conv, tried):
        return f"{names[conv].removeprefix('model.')} {why}"
    model.first = names[conv]
    return ""


def _unfit(conv: nn.Conv2d, model: nn.Module) -> str:
    """Why the convolution that reads the images cannot be whitened; empty if it can."""
    if conv.groups > 1 or max(conv.dilation) > 1:
        return "is grouped or dilated"
    owners = sum(p is conv.weight for module in model.modules() for p in module.parameters(recurse=False))
    if owners != 1 or not conv.weight.requires_grad:
        return "has a weight that is frozen, shared or computed"
    if conv.out_channels < conv.weight[0].numel():
        return f"has fewer filters ({conv.out_channels}) than a patch has values ({conv.weight[0].numel()})"
    return ""


def _same(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return False  # one that torch.func differentiates or vectorises, which has no memory of its own
    return tensor.data_ptr() == other.data_ptr() and tensor.shape == other.shape
