"""The rule of recurrent layers: LSTM, GRU and plain ones, over sequences of one length or packed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from constraints.tracing.axes import View, unknown
from constraints.tracing.flows import fresh, merge_flows
from constraints.tracing.handles import Handle
from constraints.tracing.values import Call, Flow, Views

_MOST_RESULTS = 3


def recurrent(call: Call) -> list[tuple[Views, Flow]]:
    """A recurrent layer: each step sees all steps before it."""
    macs(call)
    flows = [v.flow for v in call.inputs if v.depends]
    rows = [v.views for v in call.inputs if v.depends]
    views = tuple(_seen(axis) for axis in zip(*rows, strict=True))
    return [(views, fresh(merge_flows(flows)))] * _MOST_RESULTS


def macs(call: Call) -> None:
    """Each step multiplies by every matrix once; in a packed sequence, all steps of all samples form one axis."""
    steps = math.prod(call.inputs[0].shape[:-1])
    call.macs = steps * sum(math.prod(w.shape) for w in _weights(call) if len(w.shape) > 1)


def _weights(call: Call) -> Sequence[Handle]:
    several = call.arg("params")
    if several is None:  # one layer's weights, in the form of the CPU library's operator
        several = [call.arg(f"weight{i}") for i in range(4)]
    return [w for w in several if isinstance(w, Handle)]


def _seen(several: Sequence[View | None]) -> View | None:
    views = [v for v in several if v is not None]
    if any(v.digits or v.unknown for v in views):
        return unknown("a recurrent layer sees all that comes before")
    return views[0] if views else None
