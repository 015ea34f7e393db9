"""Edits of a model's pools: averages in place of maxima, global pools, strides in place of pools."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import nn

from constraints.call_syntax import Written
from constraints.conv_edits import needed, restride
from constraints.conv_sites import Site
from constraints.edits import Called, Change, Edit, calls_named, listed
from constraints.forward_edits import ForwardEdit
from constraints.last_pool import last_pool
from constraints.metrics import Layer
from constraints.model_state import parts

_AVERAGES: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.MaxPool1d: nn.AvgPool1d,
    nn.MaxPool2d: nn.AvgPool2d,
    nn.MaxPool3d: nn.AvgPool3d,
}
_ADAPTIVE_AVERAGES: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.AdaptiveMaxPool1d: nn.AdaptiveAvgPool1d,
    nn.AdaptiveMaxPool2d: nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool3d: nn.AdaptiveAvgPool3d,
}
_POOLS = (nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_AVERAGE_CALLS = {
    f"{kind}max_pool{axes}d": f"{kind}avg_pool{axes}d" for kind in ("", "adaptive_") for axes in (1, 2, 3)
}
_POOLING = ("avg_pool2d", "max_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d")
_MAP_AND_CHANNELS = 3
_DOWN = 2


def average_pools(model: nn.Module) -> Iterator[Edit]:
    """An average pool in place of a max-pool."""
    for name, layer in parts(model).modules.items():
        if _average(layer) is not None:
            text = "an average pool in place of the max-pool in {}"
            yield Edit(layer=name, text=text, size=1, make=_average, rewrite=_average_source)


def average_everywhere(model: nn.Module, calls: Sequence[str]) -> Iterator[Change]:
    """Average pools in place of all max-pools together, including function calls; ``calls`` are the layers' names."""
    modules = parts(model).modules
    pools = tuple(edit for edit in average_pools(model) if edit.layer in calls)
    called = [name for name in calls if name not in {edit.layer for edit in pools}]
    if called:
        places = [f"{'each ' * (n > 1)}{_place_of(name, modules)}" for name, n in Counter(called).items()]
        text = f"an average pool in place of {listed(places)}"
        in_forward = ForwardEdit(functions=_AVERAGE_CALLS)
        yield (*pools, Edit(layer="", text=text, size=len(calls), make=in_forward.around(), in_forward=in_forward))
    elif len(pools) > 1:
        yield pools


def stride_for_pools(sites: Sequence[Site], model: nn.Module, layers: tuple[Layer, ...]) -> Iterator[Change]:
    """Replace each 2x2 pool of stride 2 by a stride of 2 in the convolution before it."""
    modules, by_name = parts(model).modules, {site.name: site for site in sites}
    last: Site | None = None
    for layer in layers:
        pool = modules.get(layer.name)
        if last is not None and isinstance(pool, (nn.AvgPool2d, nn.MaxPool2d)) and _halves(layer):
            identity = Edit(
                layer=layer.name,
                text="no pool in {}",
                size=1,
                make=lambda _: nn.Identity(),
                rewrite=lambda _, nn_, call, written: f"{nn_}Identity()",
            )
            if max(last.conv.stride) == 1:
                yield from ((stride, identity) for stride in restride(last, _DOWN))
            last = None
        last = by_name.get(layer.name, last)


def _halves(layer: Layer) -> bool:
    return set(layer.kernel) == set(layer.stride) == {_DOWN} and max(layer.output[1:]) > 1


def _place_of(name: str, modules: Mapping[str, nn.Module], number: int = 0) -> str:
    if name in modules:
        return f"max-pool {name}"
    owner, _, function = name.rpartition(".")
    return calls_named([Called(function, owner or type(modules[""]).__name__, number)])


def pool_globally(model: nn.Module, layers: tuple[Layer, ...]) -> Iterator[Edit]:
    """A global average: for a pool that leaves a part out, before a layer that reads a whole map, or at the end.

    A maximum over the whole map becomes an average.
    """
    modules = parts(model).modules
    if (last := last_pool(layers)) and type(modules.get(last.layer.name)) in _POOLS:
        text = "AdaptiveAvgPool2d(1) in place of the pool in {}"
        yield Edit(
            layer=last.layer.name,
            text=text,
            size=0,
            make=lambda _: nn.AdaptiveAvgPool2d(1),
            rewrite=lambda _, nn_, call, written: f"{nn_}AdaptiveAvgPool2d(1)",
        )
    elif last and last.layer.op in _POOLING:
        same = [layer for layer in layers if layer.name == last.layer.name]
        number = [layer is last.layer for layer in same].index(True) + 1 if len(same) > 1 else 0
        place = _place_of(last.layer.name, modules, number)
        text = f"adaptive_avg_pool2d to 1 in place of {place}"
        in_forward = ForwardEdit(
            functions=dict.fromkeys(_POOLING, "adaptive_avg_pool2d"), arguments={"output_size": 1},
            numbers=frozenset({_number(last.layer, layers)}),
        )  # fmt: skip
        yield Edit(layer="", text=text, size=0, make=in_forward.around(), in_forward=in_forward)
    to_one = {layer.name for layer in layers if "max_pool" in layer.op and set(layer.output[1:]) == {1}}
    yield from (edit for edit in average_pools(model) if edit.layer in to_one)
    shape: tuple[int, ...] = ()
    for layer in layers:
        reader = modules.get(layer.name)
        if type(reader) is nn.Linear and len(shape) == _MAP_AND_CHANNELS and reader.in_features == math.prod(shape):
            yield _pooled(layer.name, reader, shape)
        elif type(reader) is nn.Conv2d and _reads_whole(reader, shape):
            yield _pooled_before_conv(layer.name, reader)
        shape = layer.output if len(layer.output) == _MAP_AND_CHANNELS else shape
    if layers and len(layers[-1].output) == _MAP_AND_CHANNELS:
        yield Edit(
            layer="", text="a global average pool at the end", size=1, make=partial(partial, _pooling), reshapes=True
        )


def _number(pool: Layer, layers: tuple[Layer, ...]) -> int:
    """The number of pool calls before this one."""
    return [layer is pool for layer in layers if layer.op in _POOLING].index(True)


def _pooling(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A forward pass whose result is pooled globally."""
    return F.adaptive_avg_pool2d(forward(*args, **kwargs), 1).flatten(1)


def _pooled(name: str, linear: nn.Linear, shape: tuple[int, ...]) -> Edit:
    def make(linear: nn.Linear) -> nn.Module:
        place = {"device": linear.weight.device, "dtype": linear.weight.dtype}
        head = nn.Linear(shape[0], linear.out_features, linear.bias is not None, **place)
        return nn.Sequential(nn.Unflatten(1, shape), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)

    def rewrite(linear: nn.Linear, nn_: str, call: str, written: Written) -> str:
        options = {"bias": written("bias"), "device": written("device"), "dtype": written("dtype")}
        given = "".join(f", {key}={text}" for key, text in options.items() if text is not None)
        head = f"{nn_}Linear({shape[0]}, {needed(written, 'out_features')}{given})"
        return f"{nn_}Sequential({nn_}Unflatten(1, {shape}), {nn_}AdaptiveAvgPool2d(1), {nn_}Flatten(), {head})"

    text = f"a global average pool before {{}}, then Linear({shape[0]}, {linear.out_features}),"
    return Edit(layer=name, text=text, size=linear.weight.numel(), make=make, rewrite=rewrite)


def _reads_whole(conv: nn.Conv2d, shape: tuple[int, ...]) -> bool:
    """Whether a convolution has one window, the whole map of this shape, like a linear layer on the flattened map."""
    is_plain = conv.groups == 1 and not any(conv.padding) and set(conv.dilation) == {1}
    return is_plain and shape == (conv.in_channels, *conv.kernel_size) and max(conv.kernel_size) > 1


def _pooled_before_conv(name: str, conv: nn.Conv2d) -> Edit:
    def make(conv: nn.Module) -> nn.Module:
        assert isinstance(conv, nn.Conv2d)
        head = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=conv.bias is not None)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), head.to(conv.weight))

    def rewrite(conv: nn.Module, nn_: str, call: str, written: Written) -> str:
        sizes = ", ".join(needed(written, key) for key in ("in_channels", "out_channels"))
        options = {key: written(key) for key in ("bias", "device", "dtype")}
        given = "".join(f", {key}={text}" for key, text in options.items() if text is not None)
        return f"{nn_}Sequential({nn_}AdaptiveAvgPool2d(1), {nn_}Conv2d({sizes}, 1{given}))"

    text = f"a global average pool before {{}}, then Conv2d({conv.in_channels}, {conv.out_channels}, 1),"
    return Edit(layer=name, text=text, size=conv.weight.numel(), make=make, rewrite=rewrite)


def _average_source(layer: nn.Module, nn_: str, call: str, written: Written) -> str:
    name = type(layer).__name__
    return call.replace(f"{nn_}{name}", f"{nn_}{name.replace('Max', 'Avg')}", 1)


def _average(layer: nn.Module) -> nn.Module | None:
    if type(layer) in _ADAPTIVE_AVERAGES:
        return _ADAPTIVE_AVERAGES[type(layer)](layer.output_size)
    if type(layer) in _AVERAGES and layer.dilation in {1, (1, 1)}:
        return _AVERAGES[type(layer)](layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
    return None
