"""The calls of a finished run as Layers: what each computes, and what the units of its map see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from constraints.metrics import Layer
from constraints.tracing.axes import View
from constraints.tracing.structure import spatial_views
from constraints.tracing.values import Call


class _Place(NamedTuple):
    """What the units of one map see, per spatial axis."""

    receptive_field: tuple[int, ...] | None = None
    jump: tuple[float, ...] | None = None
    offset: tuple[int | None, ...] | None = None


def layers_of(calls: Sequence[Call], spans: Sequence[range]) -> tuple[Layer, ...]:
    """A layer for each call; ``spans`` are the numbers of each input's spatial axes."""
    layers: list[Layer] = []
    seen: object = None
    place = _Place()
    for call in calls:
        views = call.out.views if call.out else ()
        if views is not seen:  # norms and activations share their input's views
            seen, place = views, _place(_with_one_field(spatial_views(call.out, spans)))
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
