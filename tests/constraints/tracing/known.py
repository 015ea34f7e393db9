"""What is known after a run of a network that a test writes down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from constraints.tracing.propagation import Propagation
from constraints.tracing.recorder import record
from tests.constraints.written import Written

CONV, WIDE = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 5, padding=2)


def known(
    run: Callable[..., Any], *shapes: tuple[int, ...], **parts: nn.Module | nn.Parameter | nn.Buffer
) -> Propagation:
    model = Written(run, **parts).eval()
    inputs = [torch.zeros(1, *shape) for shape in shapes or [(3, 8, 8)]]
    return Propagation(record(model, dict(model.named_modules()), inputs))


def sizes(found: Propagation) -> list[int | None]:
    """What the units of the first output see along each axis of each input."""
    return [None if view is None else view.size for view in found.outputs[0].views]
