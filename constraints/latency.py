"""Measure the latency of a model for one sample on this machine: the median of repeats, by torch or onnxruntime."""

from __future__ import annotations

import importlib
import statistics
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from constraints.errors import UnusableInputError, first_line, with_type
from constraints.inputs import Sizes, specs
from constraints.metrics import LATENCY, ONNX_LATENCY
from constraints.model_state import copied, parts
from constraints.process_state import process_kept
from constraints.processors import usable_processors
from constraints.samples import Sample, made, taken

WARM_UP = 3
REPEATS = 15
"""Minimum number of repeats."""
_LONGEST = 200
_TOLERANCE = 1e-2
"""Allowed difference relative to the largest output, since other kernels round differently."""
_ENGINES = {LATENCY: "torch", ONNX_LATENCY: "onnxruntime"}


@dataclass(frozen=True, kw_only=True)
class LatencyTiming:
    """Measured latencies of a model: metric -> milliseconds, or None with the reason in ``unknown``."""

    values: Mapping[str, float | None] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


def timing(
    model: nn.Module, wanted: Collection[str], size: Sizes, data: Any = None, *, threads: int = 1
) -> LatencyTiming:
    """Measure those of LATENCY and ONNX_LATENCY that are ``wanted``; ``size`` and ``data`` are as in ``check``.

    Raises UnusableInputError where onnxruntime is not installed; exceptions of the model's forward pass are passed on.
    """
    values: dict[str, float | None] = {}
    unknown: dict[str, str] = {}
    for metric in sorted(wanted):
        try:
            values[metric] = _MEASURES[metric](model, size, data, threads=threads)
        except UnmeasuredError as error:
            values[metric], unknown[metric] = None, str(error)
    return LatencyTiming(values=values, unknown=unknown)


def words(metric: str, threads: int = 1) -> str:
    """Say how a latency is measured."""
    return (
        f"median of {REPEATS} runs or more of one sample by {_ENGINES[metric]} with {threads} "
        f"thread{'s' * (threads != 1)}, float32, on this machine"
    )


class UnmeasuredError(Exception):
    """This model cannot be measured; the message is the reason."""


def milliseconds(
    model: nn.Module, size: Sizes = (3, 32, 32), data: Any = None, *, threads: int = 1, seconds: float = 0.1
) -> float:
    """Median time of one sample through a copy of a model by torch, in eval mode and without gradients.

    Repeated for ``seconds``, but at least REPEATS times, after a warm-up. Raises UnmeasuredError for a model that
    cannot be copied.
    """
    with _running(model, size, data, threads) as (ready, sample):
        return _median(sample.cloned, lambda s: ready(*s.args, **s.kwargs), seconds)


def onnx_milliseconds(
    model: nn.Module, size: Sizes = (3, 32, 32), data: Any = None, *, threads: int = 1, seconds: float = 0.1
) -> float:
    """As ``milliseconds``, by onnxruntime on the CPU, for the model exported by ``torch.onnx.export``.

    Raises UnusableInputError where the packages of the extra ``onnx`` are missing, UnmeasuredError for a model that
    cannot be exported or run.
    """
    _check_installed()
    with _running(model, size, data, threads) as (ready, sample):
        try:
            session, names = _session(ready, sample, threads)
            _compare(session, names, ready, sample)
        except Exception as error:  # the exporter and the runtime raise dozens of types
            reason = first_line(error, _LONGEST) or type(error).__name__
            raise UnmeasuredError(f"onnxruntime cannot run the model: {reason}") from error
    feed = _fed(names, sample.tensors)
    return _median(lambda: feed, lambda given: session.run(None, given), seconds)


_MEASURES: Mapping[str, Callable[..., float]] = {LATENCY: milliseconds, ONNX_LATENCY: onnx_milliseconds}


def _check_installed() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(package)
        except ImportError:
            raise UnusableInputError(
                f"{ONNX_LATENCY} needs a package that is not installed: {package}: install the extra onnx, or require "
                f"{LATENCY}, which torch measures"
            ) from None


def _session(model: nn.Module, sample: Sample, threads: int) -> tuple[Any, Sequence[str]]:
    """A session of onnxruntime with a model, and the names of its inputs."""
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(model, sample.args, kwargs=dict(sample.kwargs), dynamo=True, verbose=False)
    assert program is not None  # it is None only if a file is given
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session, [one.name for one in session.get_inputs()]


def _fed(names: Sequence[str], tensors: Sequence[torch.Tensor]) -> Mapping[str, Any]:
    return {name: tensor.detach().numpy() for name, tensor in zip(names, tensors, strict=True)}


def _compare(session: Any, names: Sequence[str], model: nn.Module, sample: Sample) -> None:
    """Raise ValueError where onnxruntime differs: the exporter takes values from outside torch as constants."""
    other = sample.cloned()
    for tensor in other.tensors:
        if tensor.is_floating_point():
            tensor.mul_(0.7).copy_(tensor.flip(-1).clone())
    given = other.cloned()
    expected = [t for t in tree_leaves(model(*given.args, **given.kwargs)) if isinstance(t, torch.Tensor)]
    for found, wanted in zip(session.run(None, _fed(names, other.tensors)), expected, strict=True):
        gap = (torch.from_numpy(found).double() - wanted.double()).abs().max()
        if not gap <= _TOLERANCE * (1 + wanted.double().abs().max()):  # the comparison is false for NaN too
            raise ValueError(
                "it computes something else, as where an operation leaves torch and is taken for a constant"
            )


@contextmanager
def _running(model: nn.Module, size: Sizes, data: Any, threads: int) -> Iterator[tuple[nn.Module, Sample]]:
    """A warmed-up copy of a model in eval mode, and a sample that it accepts, with ``threads`` threads of torch."""
    with process_kept():
        try:
            ready = copied(model)
        except Exception as error:  # a part of the model may raise anything when copied
            raise UnmeasuredError(f"the model cannot be copied to be timed: {with_type(error)}") from error
        ready.eval()
        tensors = parts(ready).tensors
        samples = list(made(ready, specs(size), tensors)) if data is None else [taken(ready, data, tensors)]
        with _threads(threads):
            sample, has_gradients = _working(ready, samples)
            with torch.set_grad_enabled(has_gradients):
                yield ready, sample


def _working(model: nn.Module, samples: Iterable[Sample]) -> tuple[Sample, bool]:
    """The first sample that the model accepts, and whether it needs gradients; if none, raises the first error."""
    first: Exception | None = None
    for sample, has_gradients in product(samples, (False, True)):
        try:
            with torch.set_grad_enabled(has_gradients):
                for _ in range(WARM_UP):
                    given = sample.cloned()
                    model(*given.args, **given.kwargs)
        except (RuntimeError, IndexError) as error:
            first = first or error
        else:
            return sample, has_gradients
    assert first is not None
    raise first


def _median(given: Callable[[], Any], run: Callable[[Any], Any], seconds: float) -> float:
    found: list[float] = []
    ends = time.perf_counter() + seconds
    while len(found) < REPEATS or time.perf_counter() < ends:
        sample = given()
        started = time.perf_counter()
        run(sample)
        found.append(time.perf_counter() - started)
    return float(f"{1000 * statistics.median(found):.4g}")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads; UnusableInputError for more than usable processors, which may crash torch."""
    before, most = torch.get_num_threads(), usable_processors()
    if not 1 <= count <= most:
        raise UnusableInputError(
            f"no usable number of threads: {count}: this process may use {most} processor{'s' * (most != 1)}: "
            f"give {'1 to ' * (most != 1)}{most}"
        )
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
