"""Add whole stages to a network that has too few for its constraints: sequences of convolutions, some dilated.

A dilated convolution ends a stage and keeps the size of the map, so that the layers after it still fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from constraints.conv_sites import Site
from constraints.edits import Change, Edit
from constraints.insertions import END_DILATION, Convolutions, Kind, before_the_model, beside
from constraints.metrics import Layer
from constraints.model_state import parts
from constraints.rules import Constraint
from constraints.stage_edits import into, least_convs
from constraints.stages import STRUCTURE, Place, split
from constraints.tracer import Trace

_MOST_ENDS, _MOST_PLACES = 6, 4
_CHANNELS_AND_AXES = (2, 3, 4)
_KINDS: Sequence[Kind] = ("", "separable", "depthwise")


def added_stages(
    model: nn.Module, sites: Sequence[Site], traced: Trace, rules: Sequence[Constraint]
) -> Iterator[Change]:
    """Changes that insert convolutions at one place, after which, by arithmetic, all ``rules`` on stages hold.

    They go after the layer of the main path where the fewest are needed (of several such layers, the last), or to the
    model's input if no layer is a module. Missing convolutions of stages that end with a stride go into these stages.
    Plain convolutions come first, then kinds with fewer weights.
    """
    rules = [c for c in rules if c.metric in STRUCTURE]
    fills, path = _filled_stages(sites, traced.path, least_convs(rules))
    layers = {layer.name: layer for layer in reversed(traced.layers)}
    known = [i for i, p in enumerate(path) if p.name and _is_map(model, layers.get(p.name), p.name)]
    plans = [(plan, i) for i in known[: -_MOST_PLACES - 1 : -1] if (plan := _plan(path, i + 1, rules))]
    if plans:
        plan, at = min(plans, key=lambda found: len(found[0]))  # the first minimum, which is the last on the path
        yield from ((*fills, *after) for after in _after(model, layers[path[at].name], plan))
    if len(traced.input) in _CHANNELS_AND_AXES and (plan := _plan(traced.path, 0, rules)):
        yield from _on_the_image(model, traced.input, plan)


def _filled_stages(sites: Sequence[Site], path: Sequence[Place], least: int) -> tuple[Change, list[Place]]:
    """Edits that add missing convolutions to stages that end with a stride, and the main path after them."""
    by_name, edits, made = {site.name: site for site in sites}, list[Edit](), list[Place]()
    by_stride = split(path)
    stages = list(zip(by_stride.places, by_stride.convs_per_stage, strict=True))
    for places, number in stages[: len(by_stride.ends)]:
        found = into(places, least - number, by_name, is_ended=True) if number < least else []
        edits += found
        more = [_place_of(1)] * (least - number) if found else []
        made += [*places[:-1], *more, places[-1]]
    return tuple(edits), [*made, *path[by_stride.ends[-1] + 1 if by_stride.ends else 0 :]]


def _after(model: nn.Module, layer: Layer, plan: Sequence[int]) -> Iterator[Change]:
    channels, *axes = layer.output
    place = _place(parts(model).modules[layer.name]) or _place(model)
    for kind in _KINDS if channels > 1 else _KINDS[:1]:
        more = Convolutions(channels=channels, axes=len(axes), dilations=plan, kind=kind, place=place)
        yield (beside(layer.name, more),)


def _on_the_image(model: nn.Module, image: Sequence[int], plan: Sequence[int]) -> Iterator[Change]:
    more = Convolutions(channels=image[0], axes=len(image) - 1, dilations=plan, place=_place(model))
    yield (before_the_model(model, more),)


def _is_map(model: nn.Module, layer: Layer | None, name: str) -> bool:
    """Whether a layer is a module whose result is a single map."""
    return layer is not None and name in parts(model).modules and len(layer.output) in _CHANNELS_AND_AXES


def _place(module: nn.Module) -> dict[str, Any]:
    weight = next(module.parameters(), None)
    return {} if weight is None else {"device": weight.device, "dtype": weight.dtype}


def _plan(path: Sequence[Place], at: int, rules: Sequence[Constraint]) -> tuple[int, ...]:
    """The dilations of the fewest convolutions whose insertion before place ``at`` makes the rules hold; else empty.

    Some of them end a stage: those up to the first end extend the open stage, those after the last end the next one.
    """
    least = least_convs(rules)
    shapes = {
        (*_ending(first), *_ending(least) * (ends - 1), *(1,) * rest)
        for ends in range(1, _MOST_ENDS + 1)
        for first in range(1, least + 1)
        for rest in range(least + 1)
    }
    for dilations in sorted(shapes, key=lambda shape: (len(shape), sum(shape))):
        made = [*path[:at], *map(_place_of, dilations), *path[at:]]
        if all(map(split(made, rules).keeps, rules)):
            return dilations
    return ()


def _ending(number: int) -> tuple[int, ...]:
    return (*(1,) * (number - 1), END_DILATION)


def _place_of(dilation: int) -> Place:
    return Place(counts=True, is_spatial=True, is_strided=False, is_dilated=dilation > 1)
