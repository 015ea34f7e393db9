"""Metrics that a user defines, of candidates: each is built and traced, because no arithmetic knows them."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.user_metrics import CustomMetric, found_in
from nas.architecture.spec import Architecture


def read_metrics(path: Path) -> tuple[CustomMetric, ...]:
    """The metrics that a Python file defines or imports.

    Raises UnusableInputError where it cannot be read or holds none, ModelFailedError where its code raises.
    """
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except OSError as error:
        raise UnusableInputError(f"cannot read metrics: {str(path)!r}: {error.strerror}: give a .py file") from None
    except SyntaxError as error:
        raise UnusableInputError(f"syntax error: {path}:{error.lineno or 1}: {error.msg}: fix that line") from None
    except ValueError as error:
        raise UnusableInputError(f"not Python source: {str(path)!r}: {error}: give a .py file") from None
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    try:
        exec(code, namespace)  # the user's own file, named on the user's own command line
    except Exception as error:
        reason = f"{path} raised {type(error).__name__}: {error}"
        raise ModelFailedError(reason, traceback=traceback.format_exc()) from error
    found = found_in(namespace)
    if not found:
        raise UnusableInputError(f"no metric in {path}: decorate a function of (model, trace) with constraints.metric")
    return found


def figures(metrics: tuple[CustomMetric, ...], architecture: Architecture) -> Mapping[str, Any]:
    """The metrics of a network, which is built and traced for them."""
    import torch

    from constraints.tracer import trace
    from nas.architecture.model import build

    torch.set_num_threads(1)  # networks this small gain nothing from more
    model = build(architecture)
    traced = trace(model, architecture.input)
    return {metric.name: metric(model, traced) for metric in metrics}
