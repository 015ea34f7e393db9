"""Run a model once and derive every metric of it: receptive field, costs and structure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from constraints.collection import rare_collection, without_collection
from constraints.compile_wrappers import as_written
from constraints.inputs import InputSpec, Sizes, specs
from constraints.model_state import Parts, copied, has_own_eval, parts, unchanged
from constraints.process_state import process_kept
from constraints.samples import Sample, made, taken
from constraints.tracing.doubts import summarised
from constraints.tracing.recorder import WantsGradientsError, called, record
from constraints.tracing.run import RecordedOperation, Run
from constraints.tracing.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Trace(Summary):
    """The results of one run of a model in eval mode on one sample."""

    input: tuple[int, ...]
    """Shape of the first input without the batch axis."""
    inputs: tuple[InputSpec, ...]
    """Every input tensor, in the order of the arguments."""


def trace(model: nn.Module, input_size: Sizes = (3, 32, 32), *, input_data: Any = None) -> Trace:
    """Run ``model`` once in eval mode on one sample and derive every metric from the operations that ran.

    ``input_size`` is the shape without batch, channels first, or one shape for each input (an ``InputSpec`` where
    it has a name or a dtype); the sample is random then. ``input_data`` is a sample of the caller's, with its batch
    axis: a tensor, a dict, or a tuple of arguments, the last of which may be a dict of keyword arguments. The
    receptive field is measured in pixels of the first input that reaches the judged map. The model is left as it
    was, bit for bit: flags, attributes, parameters, buffers, random number generators, modules that it keeps without
    registering them. Exceptions of the model's own code are passed on unchanged; UnusableInputError is raised for an
    impossible input, or where the forward pass needs one that is not given.
    """
    with (
        rare_collection(),
        as_written(parts(model)) as written,
        ready(written, input_size, input_data) as (found, samples),
    ):
        run, sample = recorded(found, samples)
    with without_collection():
        summary = summarised(run)
        del run
    return _as_trace(summary, sample)


@contextmanager
def ready(found: Parts, input_size: Sizes, input_data: Any) -> Iterator[tuple[Parts, list[Sample]]]:
    """A model's parts in eval mode, or those of a copy if ``eval()`` or the first run would change more than flags.

    Also the samples to try in turn.
    """
    samples = _samples(found, input_size, input_data)
    if found.is_lazy or has_own_eval(found):
        found = parts(copied(found.model))
        _evaluate(found)
    if found.is_lazy:
        with unchanged(found), torch.no_grad():
            sample = samples[0].cloned()
            called(found.model, sample.args, sample.kwargs)
        found = parts(found.model)
    with unchanged(found):
        yield found, samples


def shaped(model: nn.Module, input_size: Sizes, input_data: Any = None) -> nn.Module:
    """The model with all parameters initialised: if one has no shape yet, the model is run once."""
    found = parts(model)
    if found.is_lazy:
        sample = _samples(found, input_size, input_data)[0].cloned()
        with _filled(found), process_kept(), torch.no_grad():
            called(model, sample.args, sample.kwargs)
    return model


@contextmanager
def _filled(found: Parts) -> Iterator[None]:
    """Eval mode inside; afterwards the flags, and the buffers that had a shape, are restored."""
    modules = found.modules.values()
    training = [m for m in found.registered.values() if getattr(m, "training", False)]
    evaluated = [m for m in modules if not getattr(m, "training", True)]
    named = [(m, name, b) for m in modules for name, b in m._buffers.items()]
    kept = [(m, name, b, b.detach().clone()) for m, name, b in named if b is not None and not is_lazy(b)]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True
        for module in evaluated:
            module.training = False
        for module, name, buffer, before in kept:
            module._buffers[name] = buffer
            buffer.data = before


def _samples(found: Parts, input_size: Sizes, input_data: Any) -> list[Sample]:
    if input_data is None:
        return list(made(found.model, specs(input_size), found.tensors))
    return [taken(found.model, input_data, found.tensors)]


def _evaluate(found: Parts) -> None:
    try:
        found.model.eval()
    except NotImplementedError:
        # torch's exported programs raise here, since they have one mode; for a user's model it is the model's error.
        if not isinstance(found.model, torch.fx.GraphModule):
            raise


Watch = Callable[[Sequence[RecordedOperation]], AbstractContextManager[object]]


def recorded(found: Parts, samples: Iterable[Sample], watch: Watch | None = None) -> tuple[Run, Sample]:
    """The run on the first sample that the model accepts; if there is none, raises the error of the first sample."""
    first: Exception | None = None
    for sample in samples:
        try:
            return _recorded(found, sample, watch), sample
        except (RuntimeError, IndexError) as error:
            first = first or error
    assert first is not None
    raise first


def _recorded(found: Parts, sample: Sample, watch: Watch | None) -> Run:
    def run(*, autograd: bool) -> Run:
        given = sample.cloned()
        return record(
            found.model, found.modules, given.args, given.kwargs,
            autograd=autograd, hidden=found.hidden.keys(), watch=watch,
        )  # fmt: skip

    try:
        return run(autograd=False)
    except WantsGradientsError:
        return run(autograd=True)


def _as_trace(summary: Summary, sample: Sample) -> Trace:
    inputs = sample.specs()
    cut = (f"input_data holds {sample.batch} samples: the first one is traced",) if sample.batch > 1 else ()
    known = {**vars(summary), "warnings": tuple(dict.fromkeys((*cut, *summary.warnings)))}
    return Trace(**known, input=inputs[0].shape, inputs=inputs)
