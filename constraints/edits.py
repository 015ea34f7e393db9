"""Changes to one layer of a model, or to a few at once, each with its likely size; a trace says whether it helps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice, pairwise
from typing import Any

import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from constraints.last_pool import last_pool
from constraints.metrics import Layer

ConvNd = nn.Conv1d | nn.Conv2d | nn.Conv3d
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = {nn.Conv1d: nn.BatchNorm1d, nn.Conv2d: nn.BatchNorm2d, nn.Conv3d: nn.BatchNorm3d}
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
_POOL_CALLS = {"max_pool1d": F.avg_pool1d, "max_pool2d": F.avg_pool2d, "max_pool3d": F.avg_pool3d}
_POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_ADAPTIVE_CALLS = {
    "adaptive_max_pool1d": F.adaptive_avg_pool1d,
    "adaptive_max_pool2d": F.adaptive_avg_pool2d,
    "adaptive_max_pool3d": F.adaptive_avg_pool3d,
}
_MAP_AND_CHANNELS = 3
_MOST_CHOICES = 2000


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One layer replaced by another."""

    layer: str
    """Dotted name; empty for the model itself."""
    text: str
    """What changes, as the subject of a sentence: ``dilation 2 in layer c3.1``."""
    size: float
    """How much changes, to try small changes first; comparable among edits for one metric."""
    build: Callable[[], nn.Module]


Change = tuple[Edit, ...]
"""Edits of different layers that are made together; the first one's text tells them all."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A convolution of the model together with what the trace saw of it."""

    name: str
    conv: ConvNd
    layer: Layer

    @property
    def jump(self) -> tuple[float, ...]:
        """Distance in input pixels between neighbouring units of the layer's input."""
        jumps = self.layer.jump or (1.0,) * len(self.conv.stride)
        return tuple(j / s for j, s in zip(jumps, self.conv.stride, strict=True))

    @property
    def spatial(self) -> bool:
        """Whether the kernel exceeds 1 on some axis."""
        return max(self.conv.kernel_size) > 1

    def reaches(self, dilation: tuple[int, ...]) -> bool:
        """Whether, so dilated, every tap of the kernel still meets the map somewhere."""
        sides = [n * s for n, s in zip(self.layer.output[1:], self.conv.stride, strict=True)]
        return all(d * (k - 1) < 2 * side for d, k, side in zip(dilation, self.conv.kernel_size, sides, strict=True))

    @property
    def pixels(self) -> int:
        """Units of one channel of the result."""
        return math.prod(self.layer.output[1:])


def sites(model: nn.Module, layers: tuple[Layer, ...]) -> tuple[Site, ...]:
    """The plain convolution modules that the forward pass called, in order, each once."""
    modules = dict(model.named_modules())
    seen = {layer.name: layer for layer in reversed(layers) if type(modules.get(layer.name)) in _CONVS}
    return tuple(Site(name=name, conv=modules[name], layer=seen[name]) for name in reversed(seen))


def dilate(site: Site, growth: float = 0) -> Iterator[Edit]:
    """A larger dilation, the least that widens the receptive field by ``growth`` pixels on every axis."""
    conv, step = site.conv, min(j * (k - 1) for j, k in zip(site.jump, site.conv.kernel_size, strict=True))
    if not site.spatial or (growth and not step):
        return
    more = max(1, math.ceil(growth / step)) if step else 1
    dilation = tuple(d + more if k > 1 else d for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    if not site.reaches(dilation):
        return
    if (padding := _same_size(conv, conv.kernel_size, dilation)) is not None:
        yield _edit(site, f"dilation {_short(dilation)} in", more * (step or 1), dilation=dilation, padding=padding)


def undilate(site: Site) -> Iterator[Edit]:
    """No dilation, the size of the result kept."""
    conv, ones = site.conv, (1,) * len(site.conv.dilation)
    if max(conv.dilation) > 1 and (padding := _same_size(conv, conv.kernel_size, ones)) is not None:
        yield _edit(site, "dilation 1 in", max(conv.dilation), dilation=ones, padding=padding)


def enlarge(site: Site, growth: float) -> Iterator[Edit]:
    """A larger kernel, the least step that widens the receptive field by ``growth`` pixels on every axis."""
    conv = site.conv
    more = 2 * math.ceil(growth / (2 * min(j * d for j, d in zip(site.jump, conv.dilation, strict=True))))
    kernel = tuple(k + more for k in conv.kernel_size)
    if not site.spatial or max(kernel) > 2 * max(conv.kernel_size) + 1:
        return
    if (padding := _same_size(conv, kernel, conv.dilation)) is not None:
        yield _edit(site, f"kernel {_short(kernel)} in", growth + 0.5, kernel_size=kernel, padding=padding)


def shrink(site: Site) -> Iterator[Edit]:
    """Smaller kernels, of the same parity."""
    conv = site.conv
    for kernel in range(max(conv.kernel_size) - 2, 0, -2):
        sizes = tuple(min(k, kernel) for k in conv.kernel_size)
        if (padding := _same_size(conv, sizes, conv.dilation)) is not None:
            saved = conv.weight.numel() * (1 - math.prod(sizes) / math.prod(conv.kernel_size))
            yield _edit(site, f"kernel {_short(sizes)} in", saved, kernel_size=sizes, padding=padding)


def restride(site: Site, stride: int) -> Iterator[Edit]:
    """Another stride in a spatial convolution."""
    if site.spatial and set(site.conv.stride) != {stride} and not isinstance(site.conv.padding, str):
        yield _edit(site, f"stride {stride} in", -site.pixels, stride=stride)


def separate(site: Site) -> Iterator[Edit]:
    """A depthwise convolution and a 1x1 in place of a plain one."""
    conv = site.conv
    if not site.spatial or conv.groups > 1 or conv.in_channels == 1:
        return
    saved = conv.weight.numel() - conv.in_channels * (math.prod(conv.kernel_size) + conv.out_channels)

    def build() -> nn.Module:
        depthwise = _like(conv, out_channels=conv.in_channels, groups=conv.in_channels, bias=False)
        return nn.Sequential(depthwise, _pointwise(conv, conv.in_channels, conv.out_channels, conv.bias is not None))

    kernel = "x".join(map(str, conv.kernel_size))
    text = f"splitting layer {site.name} into a depthwise {kernel} and a 1x1 convolution"
    yield Edit(layer=site.name, text=text, size=saved, build=build)


def follow_pointwise(site: Site) -> Iterator[Edit]:
    """A 1x1 convolution right after a depthwise one."""
    conv = site.conv
    if conv.groups == conv.in_channels > 1:

        def build() -> nn.Module:
            return nn.Sequential(_like(conv), _pointwise(conv, conv.out_channels, conv.out_channels, False))

        text = f"a 1x1 convolution right after layer {site.name}"
        yield Edit(layer=site.name, text=text, size=conv.out_channels**2, build=build)


def group(site: Site) -> Iterator[Edit]:
    """Twice and four times the groups."""
    conv = site.conv
    for groups in (2 * conv.groups, 4 * conv.groups):
        if conv.in_channels % groups == 0 == conv.out_channels % groups:
            saved = conv.weight.numel() * (1 - conv.groups / groups)
            yield _edit(site, f"groups {groups} in", saved, groups=groups)


def insert(site: Site) -> Iterator[Edit]:
    """One more convolution (3x3 with norm and ReLU, as many channels) after a layer."""
    conv, channels = site.conv, site.conv.out_channels
    if not site.spatial:
        return

    def build() -> nn.Module:
        extra = type(conv)(channels, channels, 3, padding=1, bias=False, **_place(conv))
        return nn.Sequential(conv, _NORMS[type(conv)](channels, **_place(conv)), nn.ReLU(), extra)

    size = 9.0 * channels**2
    yield Edit(layer=site.name, text=f"one more 3x3 convolution after layer {site.name}", size=size, build=build)


def average_pools(model: nn.Module) -> Iterator[Edit]:
    """An average pool in place of a max-pool."""
    for name, layer in model.named_modules():
        if (mean := _average(layer)) is not None:
            text = f"an average pool in place of max-pool {name}"
            yield Edit(layer=name, text=text, size=1, build=lambda mean=mean: mean)  # type: ignore[misc]


def average_everywhere(model: nn.Module, calls: Sequence[str]) -> Iterator[Change]:
    """Average pools in place of all max-pools at once, calls in a forward pass included; ``calls`` are their names."""
    modules = dict(model.named_modules())
    if len(calls) > 1 or not all(name in modules for name in calls):
        text = f"an average pool in place of {_listed([_place_of(name, modules) for name in calls])}"
        yield (Edit(layer="", text=text, size=len(calls), build=lambda: _Averaging(model)),)


def _place_of(name: str, modules: Mapping[str, nn.Module]) -> str:
    if name in modules:
        return f"max-pool {name}"
    owner, _, function = name.rpartition(".")
    return f"{function} called in forward of {owner or type(modules['']).__name__}"


class _Averaging(nn.Module):
    """A model whose max-pools average."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with _Averages():
            return self.model(*args, **kwargs)


class _Averages(TorchFunctionMode):
    """Calls the average pool of the same windows for each max-pool that has one."""

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func`` or what averages in its place."""
        given, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in _ADAPTIVE_CALLS:
            given.pop("return_indices", None)
            return _ADAPTIVE_CALLS[name](*args[:2], **given)
        if name in _POOL_CALLS:
            given |= dict(zip(_POOL_ARGUMENTS, args, strict=False))
            if given.pop("dilation", 1) in (1, (1,), (1, 1), (1, 1, 1)) and not given.pop("return_indices", False):
                return _POOL_CALLS[name](**given)
        return func(*args, **(kwargs or {}))


def restrides(sites: Sequence[Site], stride: int, count: int) -> Iterator[Change]:
    """Another stride in ``count`` spatial convolutions at once, the most evenly spread choices first."""
    found = [(i, edit) for i, site in enumerate(sites) for edit in restride(site, stride)]

    def unevenness(chosen: tuple[tuple[int, Edit], ...]) -> int:
        places = [-1, *(i for i, _ in chosen), len(sites) - 1]
        gaps = [b - a for a, b in pairwise(places)]
        return max(gaps) - min(gaps)

    choices = islice(combinations(found, count), _MOST_CHOICES) if 1 < count <= len(found) else ()
    for chosen in sorted(choices, key=unevenness):
        yield _together(f"stride {stride} in layers {{}}", [edit for _, edit in chosen])


def separate_several(sites: Iterable[Site], need: float) -> Iterator[Change]:
    """Depthwise and 1x1 in place of plain convolutions, those that save most first, until ``need`` are saved."""
    chosen: list[Edit] = []
    for edit in sorted((e for site in sites for e in separate(site)), key=lambda e: -e.size):
        if edit.size > 0 and sum(e.size for e in chosen) < need:
            chosen.append(edit)
    if len(chosen) > 1 and sum(e.size for e in chosen) >= need:
        yield _together("splitting layers {} into depthwise and 1x1 convolutions", chosen)


def _together(text: str, edits: Sequence[Edit]) -> Change:
    text = text.format(_listed([e.layer for e in edits]))
    return tuple(replace(edit, text=text) for edit in edits)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def pool_globally(model: nn.Module, layers: tuple[Layer, ...]) -> Iterator[Edit]:
    """A global average before a linear layer that reads a flattened map, or at the end of the model."""
    modules = dict(model.named_modules())
    if (last := last_pool(layers)) and isinstance(modules.get(last.layer.name), (nn.AvgPool2d, nn.MaxPool2d)):
        text = f"AdaptiveAvgPool2d(1) in place of pool {last.layer.name}"
        yield Edit(layer=last.layer.name, text=text, size=0, build=lambda: nn.AdaptiveAvgPool2d(1))
    shape: tuple[int, ...] = ()
    for layer in layers:
        linear = modules.get(layer.name)
        if type(linear) is nn.Linear and len(shape) == _MAP_AND_CHANNELS and linear.in_features == math.prod(shape):
            yield _pooled(layer.name, linear, shape)
        shape = layer.output if len(layer.output) == _MAP_AND_CHANNELS else shape
    if layers and len(layers[-1].output) == _MAP_AND_CHANNELS:

        def build() -> nn.Module:
            return _Pooled(model)

        yield Edit(layer="", text="a global average pool at the end", size=1, build=build)


class _Pooled(nn.Module):
    """A model whose result is pooled globally."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return F.adaptive_avg_pool2d(self.model(*args, **kwargs), 1).flatten(1)


def _pooled(name: str, linear: nn.Linear, shape: tuple[int, ...]) -> Edit:
    def build() -> nn.Module:
        head = nn.Linear(shape[0], linear.out_features, linear.bias is not None, **_place(linear))
        return nn.Sequential(nn.Unflatten(1, shape), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)

    text = f"a global average pool before layer {name}, then Linear({shape[0]}, {linear.out_features}),"
    return Edit(layer=name, text=text, size=linear.weight.numel(), build=build)


def _average(layer: nn.Module) -> nn.Module | None:
    if type(layer) in _ADAPTIVE_AVERAGES:
        return _ADAPTIVE_AVERAGES[type(layer)](layer.output_size)
    if type(layer) in _AVERAGES and layer.dilation in {1, (1, 1)}:
        return _AVERAGES[type(layer)](layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
    return None


def _edit(site: Site, change: str, size: float, **changes: Any) -> Edit:
    return Edit(
        layer=site.name,
        text=f"{change} layer {site.name}",
        size=size,
        build=lambda: _like(site.conv, **changes),
    )


def _like(conv: ConvNd, **changes: Any) -> ConvNd:
    """A fresh convolution that differs from ``conv`` by ``changes`` alone."""
    names = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    )
    same = {name: getattr(conv, name) for name in names} | {"bias": conv.bias is not None}
    return type(conv)(**(same | _place(conv) | changes))


def _pointwise(conv: ConvNd, inputs: int, outputs: int, bias: bool) -> ConvNd:
    return type(conv)(inputs, outputs, 1, bias=bias, **_place(conv))


def _place(layer: nn.Module) -> dict[str, Any]:
    weight = layer.weight
    return {"device": weight.device, "dtype": weight.dtype}


def _same_size(conv: ConvNd, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> str | tuple[int, ...] | None:
    """The padding that keeps the size of the result; None where it would be half a pixel or negative."""
    if isinstance(conv.padding, str):
        return conv.padding if conv.padding == "same" else None
    extents = zip(conv.padding, kernel, dilation, conv.kernel_size, conv.dilation, strict=True)
    twice = [2 * p + d * (k - 1) - d0 * (k0 - 1) for p, k, d, k0, d0 in extents]
    return tuple(t // 2 for t in twice) if all(t >= 0 and t % 2 == 0 for t in twice) else None


def _short(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))
