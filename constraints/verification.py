"""Verify a traced receptive field by gradients, on the user's own model with inputs (strips) that are long enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from torch import nn

from constraints.errors import UnusableInputError, shortened
from constraints.gradient_probe import Probed, probe_call
from constraints.inputs import Sizes
from constraints.judged_call import JudgedCall, judged_call
from constraints.linear_copy import positive
from constraints.metrics import Layer
from constraints.process_state import process_kept
from constraints.report import Report
from constraints.verdicts import Verdict

_LONGEST = 16_384
_LONGEST_REASON = 200
_MOST_UNITS, _MORE_UNITS = 64, 8
_MANY_MACS = 2_000_000_000
_NAME, _EXPR = "verified", "receptive_field_hw == gradients"


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """The measurement of one axis: the field by gradients, and the strip."""

    field: int | None
    """None if every unit sees an end of the strip."""
    strip: tuple[int, ...]
    is_longest: bool
    """Whether the strip is the input itself, since the model does not accept a longer one."""
    why: str = ""
    """Why a longer one is not possible."""


def verify(model: nn.Module, report: Report, input_size: Sizes, input_data: Any = None) -> Report:
    """The report with the result of the probe: a verdict that fails if the probe contradicts the trace.

    The measured map is the judged one: the forward pass ends when it is complete, so that pools and linear layers with
    a fixed input size after it do not matter. For each axis the input is a strip at least twice as long as the traced
    field; if the model does not accept one, it is the input itself, where a unit that sees neither border can still
    confirm the field. A field that cannot be confirmed gets a warning and no verdict.
    """
    traced = report.metrics["receptive_field_hw"]
    if not traced:
        return _unverified(report, "the traced receptive field is unknown")
    try:
        with process_kept():
            call = judged_call(model, input_size, input_data)
            linear = positive(call.model)
            measured = [_measured(linear, call, report, axis, field) for axis, field in enumerate(traced)]
    except Exception as error:  # raised by the user's model for a size or precision that it was not written for
        return _unverified(report, _first_line(error))
    for found, field in zip(measured, traced, strict=True):
        if reason := _undecided(found, field, report):
            return _unverified(report, reason)
    return _with_verdict(report, measured, traced)


def _undecided(found: _Measured, field: int, report: Report) -> str:
    """Why the measurement neither confirms nor contradicts the traced field; empty if it does one of them."""
    strip = _sides(found.strip)
    if found.field is not None and found.field > field:
        through = f"it sees {found.field} pixels on the strip of {strip}, maybe through attention or a gate"
        return through if report.metrics["global_context"] else ""
    if found.is_longest and found.field != field:
        return f"every unit that might see {field} pixels sees a border of the input of {strip}, and {found.why}"
    if found.field is None and report.metrics["global_context"]:
        return f"every unit sees an end of the strip of {strip}, through attention or a gate over the whole map"
    return ""


def _with_verdict(report: Report, measured: Sequence[_Measured], traced: Sequence[int]) -> Report:
    fields = [max(m.strip[1:], default=0) if m.field is None else m.field for m in measured]
    agrees = all(m.field == field for m, field in zip(measured, traced, strict=True))
    least = " or more" if any(m.field is None for m in measured) else ""
    strips = " and ".join(_sides(m.strip) for m in measured)
    text = f"gradients measure {_sides(fields)}{least} on inputs of {strips}, the trace says {_sides(traced)}"
    verdict = Verdict(name=_NAME, expr=_EXPR, value=agrees, ok=agrees, why=text)
    inputs = [list(m.strip) for m in measured]
    found = {"input": inputs, "receptive_field_hw": fields, "agrees": agrees, "text": text}
    return replace(report.with_verdicts(verdict), verified=found)


def _measured(linear: nn.Module, call: JudgedCall, report: Report, axis: int, field: int) -> _Measured:
    shape, at = tuple(call.sample.tensors[call.input].shape[1:]), call.first + axis - 1
    own = length = shape[at]
    while length < 2 * field:
        length *= 2
    why = f"the strip would be longer than {_LONGEST} pixels"
    while length <= _LONGEST:
        try:
            found = _probed(linear, call, report, axis, length)
        except Exception as error:  # raised for a size that the model was not written for
            why = f"the model does not take a longer one: {_first_line(error)}"
            break
        if length > own and not _grows(call, axis, own, length, found.units):
            why = f"its map of {found.units} units does not grow with the input"
            break
        if found.field is not None or length >= 4 * field + own:
            return _Measured(field=found.field, strip=_long(shape, at, length), is_longest=False)
        length *= 2
    found = _probed(linear, call, report, axis, own)
    return _Measured(field=found.field, strip=shape, is_longest=True, why=why)


def _grows(call: JudgedCall, axis: int, own: int, length: int, units: int) -> bool:
    """Whether the map grows with the strip, by at least half of the proportional amount."""
    before = call.shape[call.axes[axis]]
    return 2 * own * (units - before) >= before * (length - own)


def _long(shape: tuple[int, ...], at: int, length: int) -> tuple[int, ...]:
    return (*shape[:at], length, *shape[at + 1 :])


def _probed(linear: nn.Module, call: JudgedCall, report: Report, axis: int, length: int) -> Probed:
    """Measure every unit of a small map or input; the units in the middle, and some more, of a large one."""
    own = call.sample.tensors[call.input].shape[call.first + axis]
    macs = (report.metrics["macs"] or 0) * length // own
    count = call.shape[call.axes[axis]] * length // own
    if count <= _MOST_UNITS and macs * count < _MANY_MACS:
        return probe_call(linear, call, axis, length, units=None, draws=3)
    phases = _phases(report.layers, axis)
    first = max((count - phases) // 2, 0)
    more = range(0, count, max(count // _MORE_UNITS, 1)) if macs < _MANY_MACS else ()
    chosen = sorted({*range(first, min(first + phases, count)), *more})
    return probe_call(linear, call, axis, length, units=chosen, draws=3 if macs < _MANY_MACS else 2)


def _phases(layers: tuple[Layer, ...], axis: int) -> int:
    """The number of neighbouring units whose fields may differ: the units that upsampling made from one."""
    jumps = [layer.jump[axis] for layer in layers if layer.jump and len(layer.jump) > axis and layer.jump[axis]]
    if all(a <= b for a, b in pairwise(jumps)):
        return 1
    return min(_MOST_UNITS, math.ceil(max(jumps) / min(jumps)))


def _unverified(report: Report, reason: str) -> Report:
    return replace(report, warnings=(*report.warnings, f"the receptive field is not verified, because {reason}"))


def _first_line(error: Exception) -> str:
    text = shortened((str(error).splitlines() or [""])[0], _LONGEST_REASON)
    return text if isinstance(error, UnusableInputError) else f"the probe met {type(error).__name__}: {text}"


def _sides(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
