"""A user's metrics in the child process: loads the file, builds and traces each network."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.loading import Loader
from constraints.sandbox.named import Send, load_model, stage
from constraints.sandbox.request import Target
from constraints.sandbox.seeding import seed_everything
from constraints.tracer import Trace, trace
from constraints.user_metrics import CustomMetric, found_in
from nas.architecture.model import build
from nas.architecture.spec import parse


def names(arguments: Mapping[str, Any], send: Send) -> list[tuple[str, bool]]:
    """The names of the metrics of the file ``path``, and whether each is maximised."""
    with Loader() as loader:
        return [(metric.name, metric.maximised) for metric in _metrics(Path(arguments["path"]), loader, send)]


def measure(arguments: Mapping[str, Any], send: Send) -> list[dict[str, Any]]:
    """Name -> value for each network in ``architectures``, a list of texts."""
    torch.set_num_threads(1)  # more threads do not help networks this small
    with Loader() as loader:
        metrics = _metrics(Path(arguments["path"]), loader, send)
        return [_measured(metrics, text, send) for text in arguments["architectures"]]


def measure_code(arguments: Mapping[str, Any], send: Send) -> list[dict[str, Any]]:
    """The same for the network that the code of ``target`` creates with ``arguments``, on an image of ``shape``."""
    target, shape = Target.from_dict(arguments["target"]), tuple(arguments["shape"])
    with Loader() as loader:
        metrics = _metrics(Path(arguments["path"]), loader, send)
    with Loader() as loader:
        seed_everything(0)
        model = load_model(target, arguments["arguments"], loader, send)
        model.eval()  # which returns nothing where the code overrides train() so
        with stage(f"network {target.text}", send):
            traced = trace(model, shape)
        return [{metric.name: _value(metric, model, traced, target.text, send) for metric in metrics}]


def _measured(metrics: tuple[CustomMetric, ...], text: str, send: Send) -> dict[str, Any]:
    with stage(f"network {text}", send):
        seed_everything(0)  # so that a metric of the untrained weights is the same whenever it is measured
        architecture = parse(text)
        model = build(architecture)
        traced = trace(model, architecture.input)
    return {metric.name: _value(metric, model, traced, text, send) for metric in metrics}


def _value(metric: CustomMetric, model: nn.Module, traced: Trace, text: str, send: Send) -> int | float | bool:
    """One metric of one network; ModelFailedError, naming both, where it raises or does not return a number."""
    with stage(f"metric {metric.name!r} of network {text}", send):
        try:
            value = metric(model, traced)
        except ModelFailedError as error:
            raise ModelFailedError(f"{error}: network {text}", traceback=error.traceback) from error
        if not isfinite(value):
            raise ModelFailedError(f"metric {metric.name!r} gave {value}: return a finite number: network {text}")
        return value


def _metrics(path: Path, loader: Loader, send: Send) -> tuple[CustomMetric, ...]:
    with stage("import", send):
        found = found_in(vars(loader.load(Target(text=str(path), file=path, module="", name=""))))
        if loader.left_out:
            raise loader.left_out[0]
    if not found:
        raise UnusableInputError(f"no metric in {path}: decorate a function of (model, trace) with constraints.metric")
    return found
