"""Run a model once and derive every metric of it: receptive field, costs and structure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from constraints.errors import UnusableInputError
from constraints.metrics import Layer, Metrics
from constraints.stages import Place
from constraints.tracing.propagation import Propagation
from constraints.tracing.recorder import record
from constraints.tracing.summary import Summary, summarise

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one run of a model in eval mode on one sample showed."""

    metrics: Metrics
    layers: tuple[Layer, ...]
    input: tuple[int, ...]
    """Shape of the (first) input without the batch axis."""
    output: tuple[int, ...]
    """Shape of the (first) output without the batch axis."""
    rows: int
    """How many rows one sample gives: 1, unless the network mixes the batch axis with others."""
    path: tuple[Place, ...]
    """The convolutions of the main path, from which the stages follow."""
    warnings: tuple[str, ...]
    unknown: Mapping[str, str]
    """Metric -> why it cannot be known; its value is ``None`` then."""
    responsible: Mapping[str, tuple[str, ...]]
    """Metric -> the layers that it counts or is about."""


def trace(model: nn.Module, input_size: Sequence[int] | Sequence[Sequence[int]] = (3, 32, 32)) -> Trace:
    """Run ``model`` once in eval mode on one random sample and derive every metric from the operations that ran.

    ``input_size`` is the shape without batch, channels first, or one shape for each input. The receptive field is
    measured in pixels of the first input that reaches the judged map. The model is left as it was: training flags,
    parameters, buffers and random number generators. What the model's own code raises goes through unchanged;
    UnusableInputError is raised for an impossible ``input_size``.
    """
    shapes = _shapes(input_size)
    modules = dict(model.named_modules())
    if any(is_lazy(p) for m in modules.values() for p in m._parameters.values()):
        model = deepcopy(model)  # a lazy module fixes its shapes in its first run, which must leave no mark
        modules = dict(model.named_modules())
        with _unchanged(modules.values()), torch.no_grad():
            model(*_samples(modules.values(), shapes))
    with _unchanged(modules.values()):
        run = record(model, modules, _samples(modules.values(), shapes))
    return _as_trace(summarise(Propagation(run)), shapes)


def _as_trace(summary: Summary, shapes: Sequence[Shape]) -> Trace:
    return Trace(
        metrics=summary.metrics,
        layers=summary.layers,
        input=shapes[0],
        output=summary.output,
        rows=summary.rows,
        path=summary.path,
        warnings=summary.warnings,
        unknown=summary.unknown,
        responsible=summary.responsible,
    )


def _shapes(input_size: Sequence[int] | Sequence[Sequence[int]]) -> list[Shape]:
    several = input_size and all(isinstance(s, Sequence) for s in input_size)
    shapes: list[Any] = list(input_size) if several else [input_size]
    if not shapes or not all(s and all(isinstance(n, int) and n > 0 for n in s) for s in shapes):
        raise UnusableInputError(
            f"unusable input size: {input_size!r}: give positive integers without the batch, for example (3, 32, 32)"
        )
    return [tuple(s) for s in shapes]


def _samples(modules: Iterable[nn.Module], shapes: Sequence[Shape]) -> list[torch.Tensor]:
    """Random samples in the precision and on the device of the model's first parameter."""
    parameters = (p for m in modules for p in m._parameters.values() if p is not None)
    first = next((p for p in parameters if p.is_floating_point()), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    samples = [torch.randn(1, *s, generator=generator) for s in shapes]
    return [s.to(first.device, first.dtype) for s in samples]


@contextmanager
def _unchanged(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Eval mode inside; afterwards flags, registered tensors and random number generators are what they were."""
    registered = [r for m in modules for r in (m._parameters, m._buffers) if r]
    before = [(r, r.copy()) for r in registered]
    training = [m for m in modules if m.training]
    python, numpy, torches = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]  # torch leaves it untyped
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernels hide what attention does
    try:
        for m in training:
            m.training = False
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for m in training:
            m.training = True
        for now, then in before:
            _restore(now, then)
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torches)
        if devices:
            torch.cuda.set_rng_state_all(devices)


def _restore(registered: dict[str, Any], before: dict[str, Any]) -> None:
    if len(registered) != len(before) or any(registered.get(k, before) is not v for k, v in before.items()):
        registered.clear()
        registered.update(before)
