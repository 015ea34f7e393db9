"""Summarise a finished run: its metrics, and the layers that are responsible for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constraints.metrics import Layer, Metrics
from constraints.stages import Place, split
from constraints.tracing import ending
from constraints.tracing.axes import View
from constraints.tracing.layer_list import layers_of
from constraints.tracing.memory_sums import (
    FLOAT16_BYTES,
    FLOAT32_BYTES,
    peak_bytes,
    peak_int8_bytes,
    ram_bytes,
    weight_bytes_int8,
)
from constraints.tracing.propagation import Propagation
from constraints.tracing.structure import (
    distinct,
    global_pools,
    judged_by_pool,
    judged_map,
    linear_heads,
    main_path,
    separable_pairs,
    spatial_views,
)
from constraints.tracing.unknown_metrics import unknown_metrics, warnings
from constraints.tracing.values import Call, Value


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
    maxima = distinct(known.maxima)
    linear = linear_heads(values)
    judged = judged_map(values)
    spatial = spatial_views(judged, known.spans)
    field = _field(spatial)
    unknown = unknown_metrics(known, judged, field)
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
        layers=layers_of(calls, known.spans),
        output=known.run.output[1:],
        rows=ending.rows(known.run.output),
        path=path,
        with_pool=_with_pool(spatial) if field and judged_by_pool(values) else (),
        warnings=(*warnings(known, judged, unknown), *ending.warnings(known.run.output, calls)),
        unknown=unknown,
        responsible=responsible,
    )


def _names(calls: Iterable[Call]) -> tuple[str, ...]:
    return tuple(c.name_or_label for c in calls)


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


def _layers_of(calls: Sequence[Call], judged: Value | None) -> tuple[str, ...]:
    made = [c for c in calls if judged is not None and c.index <= judged.index]
    return (made[-1].name_or_label,) if made else ()
