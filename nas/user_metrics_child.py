"""The child's side of a user's metrics: load the file, build and trace each network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from constraints.errors import UnusableInputError
from constraints.sandbox.child import Send, stage
from constraints.sandbox.loading import Loader
from constraints.sandbox.request import Target
from constraints.tracer import trace
from constraints.user_metrics import CustomMetric, found_in
from nas.architecture.model import build
from nas.architecture.spec import parse


def names(arguments: Mapping[str, Any], send: Send) -> list[str]:
    """The names of the metrics of the file ``path``."""
    with Loader() as loader:
        return [metric.name for metric in _metrics(Path(arguments["path"]), loader, send)]


def measure(arguments: Mapping[str, Any], send: Send) -> list[dict[str, Any]]:
    """Name -> value for each of the networks whose texts are ``architectures``."""
    torch.set_num_threads(1)  # networks this small gain nothing from more
    with Loader() as loader:
        metrics = _metrics(Path(arguments["path"]), loader, send)
        return [_measured(metrics, text, send) for text in arguments["architectures"]]


def _measured(metrics: tuple[CustomMetric, ...], text: str, send: Send) -> dict[str, Any]:
    with stage(f"network {text}", send):
        architecture = parse(text)
        model = build(architecture)
        traced = trace(model, architecture.input)
        return {metric.name: metric(model, traced) for metric in metrics}


def _metrics(path: Path, loader: Loader, send: Send) -> tuple[CustomMetric, ...]:
    with stage("import", send):
        found = found_in(vars(loader.load(Target(text=str(path), file=path, module="", name=""))))
        if loader.left_out:
            raise loader.left_out[0]
    if not found:
        raise UnusableInputError(f"no metric in {path}: decorate a function of (model, trace) with constraints.metric")
    return found
