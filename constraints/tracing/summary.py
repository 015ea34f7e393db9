"""Turn the recorded calls into Metrics and Layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from constraints.metrics import Layer, Metrics
from constraints.stages import Place, split
from constraints.tracing import ending
from constraints.tracing.axes import View
from constraints.tracing.memory_sums import (
    FLOAT16_BYTES,
    FLOAT32_BYTES,
    peak_bytes,
    peak_int8_bytes,
    ram_bytes,
    weight_bytes_int8,
)
from constraints.tracing.propagation import Propagation
from constraints.tracing.remarks import remarks, uncounted
from constraints.tracing.structure import (
    distinct,
    global_pools,
    judged_by_pool,
    judged_map,
    linear_heads,
    main_path,
    partial_pools,
    separable_pairs,
)
from constraints.tracing.values import Call, Value

_OF_PARAMS = (
    "params", "trainable_params", "weight_bytes", "weight_bytes_float16", "weight_bytes_int8", "flash_bytes",
)  # fmt: skip
_OF_THE_FIELD = ("receptive_field", "receptive_field_hw", "downsampled_by")
_OF_THE_MAP = (*_OF_THE_FIELD, "global_context", "global_average_pools", "fully_connected")
_OF_THE_CALLS = (
    "macs",
    "convs",
    "dilated_convs",
    "depthwise_convs",
    "depthwise_separable_convs",
    "max_pools",
    "stages",
    "convs_per_stage",
)
_HIDDEN = {
    "products": ("macs",),
    "linear": ("macs", "fully_connected"),
    "layers": (*_OF_THE_CALLS, "fully_connected"),
    "maxima": ("max_pools",),
    "averages": ("global_average_pools",),
}
"""What an unknown operation may contain -> the metrics that it makes unknown."""
_FLAT_AXES = 2
_NO_MAP = "no map with spatial axes leads from the input to the output"
_NO_TENSOR = "the forward method returns no tensor: return the output"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything found out from a run, in plain values."""

    metrics: Metrics
    layers: tuple[Layer, ...]
    output: tuple[int, ...]
    """Shape of the (first) output without the batch axis."""
    rows: int
    """Number of output rows for one sample: 1, unless the network mixes the batch axis with others."""
    path: tuple[Place, ...]
    """The convolutions of the main path, from which the stages follow."""
    with_pool: tuple[int, ...]
    """The receptive field of the globally pooled unit, per axis, for information only; empty without such a pool."""
    warnings: tuple[str, ...]
    unknown: Mapping[str, str]
    """Metric -> why it is unknown; its value is then ``None``."""
    responsible: Mapping[str, tuple[str, ...]]
    """Metric -> the layers that it counts or is about."""


def summarise(known: Propagation) -> Summary:
    """The metrics of a finished run."""
    values, parameters = known.outputs, known.run.parameters.values()
    for value in values:
        if value.storage is not None:
            value.storage.last = known.end
    calls = known.calls
    all_convs = [c for c in calls if c.is_conv]
    convs = distinct(all_convs)
    separable, ends = separable_pairs(calls)
    path = main_path(values, ends)
    by_strides = split(path)
    convs_per_stage = by_strides.convs_per_stage
    pools = [h for h in global_pools(values) if h.kind == "mean"]
    averages = distinct(h.call for h in pools)
    maxima = distinct([c for c in calls if "max_pool" in c.tags])
    linear = linear_heads(values)
    judged = judged_map(values)
    spatial = _spatial(known, judged)
    field = _field(spatial)
    unknown = _unknown(known, judged, field)
    depthwise = [c for c in convs if c.is_depthwise]
    dilated = distinct([c for c in all_convs if c.is_dilated])  # a layer counts if any of its calls is dilated
    sizes = [(p.numel(), p.requires_grad) for p in parameters]
    in_all, int8 = sum([n for n, _ in sizes]), weight_bytes_int8(parameters)
    metrics: dict[str, Any] = {
        "params": in_all,
        "trainable_params": sum([n for n, is_trainable in sizes if is_trainable]),
        "macs": sum([c.macs for c in calls]),
        "receptive_field": min(field) if field else None,
        "receptive_field_hw": field,
        "global_context": any(v.flow.context for v in values),
        "convs": len(convs),
        "dilated_convs": len(dilated),
        "depthwise_convs": len(depthwise),
        "depthwise_separable_convs": len(separable),
        "global_average_pools": len(averages),
        "max_pools": len(maxima),
        "fully_connected": len(linear),
        "stages": len(convs_per_stage),
        "convs_per_stage": convs_per_stage,
        "downsampled_by": _downsampled(spatial) if field else None,
        "peak_activation_bytes": peak_bytes(known.storages, known.end),
        "peak_activation_bytes_int8": peak_int8_bytes(known.storages, known.end),
        "weight_bytes": FLOAT32_BYTES * in_all,
        "weight_bytes_float16": FLOAT16_BYTES * in_all,
        "weight_bytes_int8": int8,
        "flash_bytes": int8,
        "ram_bytes": ram_bytes(known.storages, known.end),
    }
    metrics.update(dict.fromkeys(unknown))
    of_map = _layers_of(calls, judged)
    responsible = {
        "receptive_field": of_map,
        "receptive_field_hw": of_map,
        "downsampled_by": of_map,
        "convs": _names(convs),
        "dilated_convs": _names(dilated),
        "depthwise_convs": _names(depthwise),
        "depthwise_separable_convs": _names(c for c in convs if c.key in separable),
        "global_average_pools": _names(averages),
        "max_pools": _names(maxima),
        "fully_connected": _names(linear),
        "stages": tuple(by_strides.reasons()),
        "convs_per_stage": tuple(place.name for place in path),
    }
    return Summary(
        metrics=Metrics(**metrics),
        layers=_layers(known, calls),
        output=known.run.output[1:],
        rows=ending.rows(known.run.output),
        path=path,
        with_pool=_with_pool(spatial) if field and judged_by_pool(values) else (),
        warnings=(*_warnings(known, judged, unknown), *ending.warnings(known.run.output, calls)),
        unknown=unknown,
        responsible=responsible,
    )


def _names(calls: Iterable[Call]) -> tuple[str, ...]:
    return tuple(c.name_or_label for c in calls)


def _spatial(known: Propagation, value: Value | None) -> list[View]:
    """The map's views along the axes of the first input that it depends on (one where it is still a map, if any)."""
    if value is None:
        return []
    found = [[v for i in span if (v := value.views[i]) is not None] for span in known.spans]
    dependent = [_along_the_map(views) for views in found if views]
    return next((views for views in dependent if any(v.digits for v in views)), dependent[0] if dependent else [])


def _along_the_map(views: list[View]) -> list[View]:
    """Without axes that were pooled or mixed before (frames merged into channels, say), if two or more are left."""
    left = [v for v in views if v.digits or v.is_unit or v.is_lost or v.blurred]
    return left if len(left) >= _FLAT_AXES else views


def _field(spatial: Sequence[View]) -> tuple[int, ...] | None:
    if not spatial or any(v.unknown or v.blurred for v in spatial):
        return None
    return tuple(v.size for v in spatial)


def _with_pool(spatial: Sequence[View]) -> tuple[int, ...]:
    """The field of all units of a map together, that is, of a global pool over it."""
    return tuple(round(v.size + (v.units - 1) * v.jump) for v in spatial)


def _downsampled(spatial: Sequence[View]) -> tuple[float, ...]:
    ratios = (view.extent / view.units for view in spatial)
    return tuple(int(r) if r == int(r) else r for r in ratios)


def _unknown(known: Propagation, judged: Value | None, field: tuple[int, ...] | None) -> dict[str, str]:
    """Metric -> why it cannot be known."""
    reasons: dict[str, str] = {}
    lost = [v for v in judged.views if v is not None and (v.unknown or v.blurred)] if judged else []
    if field is None:
        of_map = _OF_THE_MAP if any(v.is_lost or v.blurred for v in lost) else _OF_THE_FIELD
        is_empty = not (known.run.outputs or known.run.closed or known.run.numbers)
        no_map = _NO_TENSOR if is_empty else _NO_MAP
        reasons.update(dict.fromkeys(of_map, "; ".join(sorted({v.unknown or v.blurred for v in lost})) or no_map))
    for reason, hidden in known.outcomes.hidden.items():
        for name in _HIDDEN[hidden]:
            reasons.setdefault(name, reason)
    if known.run.uncounted:
        reasons.update(dict.fromkeys(_OF_PARAMS, "; ".join(uncounted(known.run))))
    return reasons


def _layers_of(calls: Sequence[Call], judged: Value | None) -> tuple[str, ...]:
    made = [c for c in calls if judged is not None and c.index <= judged.index]
    return (made[-1].name_or_label,) if made else ()


class _Place(NamedTuple):
    """What the units of one map see, per spatial axis."""

    receptive_field: tuple[int, ...] | None = None
    jump: tuple[float, ...] | None = None
    offset: tuple[int | None, ...] | None = None


def _layers(known: Propagation, calls: Sequence[Call]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    seen: object = None
    place = _Place()
    for call in calls:
        views = call.out.views if call.out else ()
        if views is not seen:  # norms and activations share their input's views
            seen, place = views, _place(_with_one_field(_spatial(known, call.out)))
        layers.append(_layer(call, place))
    return tuple(layers)


def _with_one_field(spatial: Sequence[View]) -> Sequence[View]:
    """The views of a map if all units have the same field along every axis; else empty."""
    maps = [v for v in spatial if v.is_live and not v.blurred and v.other is None]
    return spatial if maps and all(v in maps or v.is_unit for v in spatial) else ()


def _place(spatial: Sequence[View]) -> _Place:
    if not spatial:
        return _Place()
    starts = [v.start for v in spatial]
    offset = tuple([int(s) if math.isfinite(s) else None for s in starts])
    return _Place(tuple([v.size for v in spatial]), tuple([v.jump for v in spatial]), offset)


def _layer(call: Call, place: _Place) -> Layer:
    layer = object.__new__(Layer)  # avoids the slow constructor of a frozen dataclass
    vars(layer).update(
        name=call.name_or_label,
        op=call.label,
        output=call.shape[1:],
        params=call.params,
        macs=call.macs,
        receptive_field=place.receptive_field,
        jump=place.jump,
        offset=place.offset,
        kernel=call.kernel,
        stride=call.stride,
        dilation=call.dilation,
        groups=call.groups,
    )
    return layer


def _warnings(known: Propagation, judged: Value | None, unknown: Mapping[str, str]) -> tuple[str, ...]:
    return (
        *_reasons(known, unknown),
        *sorted({v.blurred for v in judged.views if v is not None and v.blurred} if judged else ()),
        *(_decision(path) for path in known.read.decided[:1]),
        *partial_pools(known.outputs),
        *remarks(known.run),
    )


def _reasons(known: Propagation, unknown: Mapping[str, str]) -> list[str]:
    """The reasons that operations left something unknown, and those that only reached an output; one for each place."""
    named = {reason.split(": ")[0] for reason in known.outcomes.reasons}
    of_calls = (reason for name, reason in unknown.items() if name not in _OF_PARAMS)  # the remarks report those
    handed_on = (reason for reason in of_calls if reason.split(": ")[0] not in named)
    return list(dict.fromkeys([*known.outcomes.reasons, *handed_on]))


def _decision(path: str) -> str:
    place = f"{path or 'the forward pass'} reads a value that depends on the input, and may decide by it what runs"
    return f"{place}: the metrics are those of what ran on this sample"
