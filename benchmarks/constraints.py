"""Compares the time of a trace with that of tools that compute some of the same metrics, in one run.

``uv run --group bench python -m benchmarks.constraints [--quick] [--json]``. Each tool gets the same model and the
same input on one thread and takes turns with the others. Reported are its median CPU time, on which other work on the
machine has little effect, and its ratio to torchinfo's.
A peer that is not installed, or that fails on a model, is listed with the reason. Beside them, how long the first
report of a check takes, which has all metrics and verdicts, over the trace alone: fixes are searched for after it.
"""

from __future__ import annotations

import argparse
import collections
import collections.abc
import contextlib
import copy
import importlib
import io
import json
import logging
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torchinfo
import torchvision
from rich.console import Console
from rich.table import Table
from torch import nn

from constraints.checker import examined
from constraints.question import Question
from constraints.tracer import trace

Shape = tuple[int, int, int]
Tool = Callable[[nn.Module, Shape], object]

# in channels, out channels, kernel, stride, padding, dilation, groups of each convolution of the hand-made network
SEED_NETWORK = (
    (3, 16, 3, 1, 1, 1, 1), (16, 16, 1, 1, 0, 1, 1), (16, 32, 3, 1, 1, 1, 1), (32, 32, 3, 2, 1, 1, 1),
    (32, 64, 3, 1, 1, 1, 32), (64, 32, 1, 1, 0, 1, 1), (32, 64, 3, 1, 1, 1, 16), (64, 48, 1, 1, 0, 1, 1),
    (48, 64, 3, 2, 1, 1, 16), (64, 32, 1, 1, 0, 1, 1), (32, 64, 3, 1, 1, 1, 32), (64, 128, 1, 1, 0, 1, 16),
    (128, 64, 1, 1, 0, 1, 1), (64, 96, 3, 1, 1, 1, 32), (96, 64, 1, 1, 0, 1, 1), (64, 64, 3, 2, 3, 2, 1),
    (64, 96, 3, 1, 1, 1, 32), (96, 64, 1, 1, 0, 1, 1), (64, 64, 3, 1, 1, 1, 64), (64, 32, 1, 1, 0, 1, 1),
    (32, 48, 3, 1, 0, 1, 8), (48, 10, 1, 1, 0, 1, 1),
)  # fmt: skip
_WITHOUT_NORM = 18
_QUICK, _FULL = 7, 31
_QUICK_ENDS, _FULL_ENDS = 3, 11


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One tool on one model: median seconds, or the reason why there is none."""

    seconds: float | None
    reason: str = ""


def seed_network() -> nn.Sequential:
    """The assignment author's network: 94,116 parameters on 3x32x32."""
    layers: list[nn.Module] = []
    for index, (inputs, outputs, kernel, stride, padding, dilation, groups) in enumerate(SEED_NETWORK):
        layers.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False))
        layers += [] if index == _WITHOUT_NORM else [nn.ReLU(), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def tools() -> Mapping[str, Tool]:
    """Every tool as a function of a model and an input shape; it is imported in the first, untimed call."""
    return {
        "trace": trace,
        "torchinfo": lambda model, shape: torchinfo.summary(model, (1, *shape), verbose=0),
        "fvcore": _fvcore,
        "thop": lambda model, shape: importlib.import_module("thop").profile(
            model, inputs=(torch.zeros(1, *shape),), verbose=False
        ),
        "rfa-toolbox": _rfa_toolbox,
        "receptivefield": _receptivefield,
        "torchscan": lambda model, shape: importlib.import_module("torchscan").crawl_module(model, shape),
    }


def measure(model: nn.Module, shape: Shape, repeats: int) -> dict[str, Timing]:
    """The median of each tool; they take turns in a random order, so that none always finds warm caches."""
    order, draw = list(tools().items()), random.Random(0)
    found: dict[str, list[float]] = {}
    failed: dict[str, Timing] = {}
    for turn in range(repeats + 1):
        for name, tool in draw.sample(order, len(order)):
            if name in failed:
                continue
            try:
                seconds = _timed(tool, model, shape)
            except Exception as error:  # a peer may fail in any way; it is listed, and the others continue
                failed[name] = Timing(seconds=None, reason=f"{type(error).__name__}: {str(error)[:60]}")
                continue
            found.setdefault(name, []).extend([seconds] if turn else [])
    medians = {name: Timing(seconds=statistics.median(s)) for name, s in found.items() if name not in failed}
    return medians | failed


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats: well under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    repeats = _QUICK if options.quick else _FULL
    models: dict[str, tuple[nn.Module, Shape]] = {
        "resnet18@224": (torchvision.models.resnet18(), (3, 224, 224)),
        "seed@32": (seed_network(), (3, 32, 32)),
    }
    results = {name: measure(model.eval(), shape, repeats) for name, (model, shape) in models.items()}
    ends = end_to_end(_FULL_ENDS if repeats == _FULL else _QUICK_ENDS)
    verdict = {"resnet50@224": verdict_over_trace(torchvision.models.resnet50().eval(), (3, 224, 224), repeats)}
    if options.json:
        more = {"end_to_end_seconds": ends, "verdict_over_trace": verdict}
        print(json.dumps(_document(results, repeats) | more))
    else:
        _show(results, repeats)
        print(", ".join(f"verdict over trace, {name}: {ratio:.2f}" for name, ratio in verdict.items()))
        print(", ".join(f"{name}: median {seconds:.2f} s" for name, seconds in ends.items()))


def verdict_over_trace(model: nn.Module, shape: Shape, repeats: int) -> float:
    """Processor time of all metrics and verdicts of the default constraints, over that of the trace alone.

    Both take turns in a warm process; medians.
    """
    found: dict[str, list[float]] = {"trace": [], "verdict": []}
    for turn in range(repeats + 1):
        for name, tool in (("trace", trace), ("verdict", _first_report)):
            seconds = _timed(tool, model, shape)
            found[name] += [seconds] if turn else []
    return statistics.median(found["verdict"]) / statistics.median(found["trace"])


def _first_report(model: nn.Module, shape: Shape) -> object:
    return next(iter(examined(model, Question(input_size=shape))))


def end_to_end(repeats: int) -> dict[str, float]:
    """Median wall seconds of whole processes, in turns: importing torch, and checking a model of 12 layers."""
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "validate": [sys.executable, "search.py", "validate", "docs/examples/handmade.py:Net", "--format", "json"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=False, capture_output=True, cwd=Path(__file__).parent.parent)
            found[name] += [time.perf_counter() - start] if turn else []  # the first reads the files from the disk
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def _document(results: Mapping[str, Mapping[str, Timing]], repeats: int) -> dict[str, object]:
    return {
        "trace_over_torchinfo": {name: _ratio(timings, "trace") for name, timings in results.items()},
        "milliseconds": {
            name: {tool: t.seconds and 1000 * t.seconds for tool, t in timings.items()}
            for name, timings in results.items()
        },
        "missing": {tool: t.reason for timings in results.values() for tool, t in timings.items() if t.reason},
        "repeats": repeats,
        "torch": torch.__version__,
    }


def _show(results: Mapping[str, Mapping[str, Timing]], repeats: int) -> None:
    console = Console()
    for name, timings in results.items():
        table = Table("tool", "median ms", "over torchinfo", title=f"{name}, {repeats} repeats, one thread")
        for tool, timing in timings.items():
            if timing.seconds is None:
                table.add_row(tool, "", timing.reason)
            else:
                table.add_row(tool, f"{1000 * timing.seconds:.1f}", f"{_ratio(timings, tool):.2f}")
        console.print(table)


def _ratio(timings: Mapping[str, Timing], tool: str) -> float:
    ours, theirs = timings[tool].seconds, timings["torchinfo"].seconds
    return ours / theirs if ours is not None and theirs else float("nan")


def _timed(tool: Tool, model: nn.Module, shape: Shape) -> float:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        tool(model, shape)
        return time.process_time() - start


def _fvcore(model: nn.Module, shape: Shape) -> object:
    nn_module = importlib.import_module("fvcore.nn")
    counted = nn_module.FlopCountAnalysis(model, torch.zeros(1, *shape))
    counted.unsupported_ops_warnings(False)
    counted.uncalled_modules_warnings(False)
    return counted.total()


class _Tapped(nn.Module):
    """A model that stores its last map before global pooling, which receptivefield requires."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.feature_maps: list[torch.Tensor] = []
        pool = next(m for m in model.modules() if isinstance(m, nn.AdaptiveAvgPool2d))
        pool.register_forward_pre_hook(lambda _, inputs: self.feature_maps.__setitem__(slice(None), inputs))

    def forward(self, x: torch.Tensor) -> object:
        """The model's output."""
        return self.model(x)


def _rfa_toolbox(model: nn.Module, shape: Shape) -> object:
    collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]  # where it looks for it, as in Python 3.9
    module = importlib.import_module("rfa_toolbox")
    graph = module.create_graph_from_pytorch_model(model, input_res=(1, *shape))
    return graph.receptive_field_max


def _receptivefield(model: nn.Module, shape: Shape) -> object:
    logging.disable()
    module = importlib.import_module("receptivefield.pytorch")
    tapped = _Tapped(copy.deepcopy(model))  # so that no hook stays on the model that the others get
    return module.PytorchReceptiveField(lambda: tapped).compute((*shape[1:], shape[0]))


if __name__ == "__main__":
    main()
