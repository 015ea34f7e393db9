"""Run a model once under a dispatch mode and record which operations ran, on which tensors, in which module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from constraints.faults import calls_user_code
from constraints.tracing.boundary import watched
from constraints.tracing.kept_tensors import kept_after
from constraints.tracing.modes import modes_kept
from constraints.tracing.module_calls import naming
from constraints.tracing.outputs import opened
from constraints.tracing.postponed import Postponed
from constraints.tracing.recording import Recorder
from constraints.tracing.run import RecordedOperation, Run
from constraints.tracing.seeds import marked
from constraints.tracing.unseen import has_ways

_NO_KWARGS: Mapping[str, Any] = {}


class WantsGradientsError(Exception):
    """The model enabled gradients in a run without autograd, which therefore misses operations."""


def record(
    model: nn.Module,
    modules: Mapping[str, nn.Module],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] = _NO_KWARGS,
    *,
    autograd: bool = False,
    hidden: Collection[str] = (),
    watch: Callable[[Sequence[RecordedOperation]], AbstractContextManager[object]] | None = None,
) -> Run:
    """Run ``model`` on arguments with a batch axis, without gradients; ``modules`` are its modules by path.

    In every case the wrappers and the mode are removed afterwards, and tensors that existed before have their old
    values. ``autograd`` is for a model that enables gradients: without it such a model raises WantsGradientsError.
    ``hidden`` are the paths of modules that are not registered. ``watch`` is a context
    manager around the run; its argument is the list of operations, which grows during the run.
    """
    postponed = Postponed(is_open=not (autograd or watch or has_ways(modules.values())))
    recorder = Recorder(modules, autograd, hidden, postponed)
    entered = [recorder.handles.entered(t) for t in tree_leaves([args, kwargs]) if isinstance(t, torch.Tensor)]
    watching = watch(recorder.operations) if watch else nullcontext()
    try:
        border = watched(recorder, modules.values())
        with modes_kept(), naming(modules, recorder), border, marked() as seed, recorder.following(), watching:
            recorder.numbers.unchosen_seed = seed
            found = opened(called(model, args, kwargs))  # an output that is a generator runs here
        left = [recorder.left(t) for t in found.tensors]
        kept = kept_after(modules)
    except Exception as error:
        if recorder.wants_gradients:
            raise WantsGradientsError from error
        raise
    finally:
        recorder.undo()
    if recorder.wants_gradients:
        raise WantsGradientsError
    return Run(
        operations=recorder.operations,
        inputs=entered,
        outputs=left,
        output=tuple(found.tensors[0].shape) if found.tensors else (),
        closed=tuple(dict.fromkeys(found.closed)),
        numbers="computed" if found.has_arrays else recorder.numbers.kind_of(found.numbers),
        parameters=recorder.registry.parameters,
        weights=tuple(recorder.handles.weights.values()),
        kept=kept,
        uncounted=recorder.registry.uncounted,
        unregistered=recorder.registry.unregistered(recorder.handles.outside),
    )


@calls_user_code
def called(model: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The model's result; an exception from here comes from the model's code."""
    return model(*args, **kwargs)
