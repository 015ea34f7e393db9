"""Edits of a model's convolutions: other arguments, or other layers in their place; a trace shows which help."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from torch import nn

from constraints.call_syntax import Written
from constraints.called_convs import CalledConv
from constraints.conv_sites import CONVS, ConvNd, Site, one
from constraints.edits import Edit
from constraints.errors import UnusableInputError
from constraints.forward_edits import ForwardEdit

_SIZES = ("in_channels", "out_channels", "kernel_size")
ADJUSTED = frozenset({"stride", "padding", "dilation"})
"""Arguments that no weight's shape depends on."""
_FOLLOWS = "_reversed_padding_repeated_twice"
_REGISTRIES = ("_parameters", "_buffers", "_modules")


def dilate(site: Site, dilation: int) -> Iterator[Edit]:
    """A larger dilation with the same output size, where every tap of the kernel still reaches the map."""
    conv = site.conv
    sizes = tuple(max(d, dilation) if k > 1 else d for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    if sizes == conv.dilation or not site.reaches(sizes):
        return
    padding = _same_size(conv, conv.kernel_size, sizes)
    if isinstance(conv, CONVS) and site.plain is None and not any(conv.padding):
        padding = conv.padding  # its class pads in its own way
    if padding is not None:
        yield _edit(site, f"dilation {_short(sizes)}", dilation - 1, dilation=sizes, padding=padding)


def undilate(site: Site) -> Iterator[Edit]:
    """No dilation, with the same output size."""
    conv, ones = site.conv, (1,) * len(site.conv.dilation)
    if max(conv.dilation) > 1 and (padding := _same_size(conv, conv.kernel_size, ones)) is not None:
        yield _edit(site, "dilation 1", max(conv.dilation), dilation=ones, padding=padding)


def enlarge(site: Site, growth: float) -> Iterator[Edit]:
    """The smallest larger kernel that widens the receptive field by ``growth`` pixels on every axis."""
    conv = site.plain
    if conv is None or not site.spatial:
        return
    more = 2 * math.ceil(growth / (2 * min(j * d for j, d in zip(site.jump, conv.dilation, strict=True))))
    kernel = tuple(k + more for k in conv.kernel_size)
    if max(kernel) > 2 * max(conv.kernel_size) + 1:
        return
    if (padding := _same_size(conv, kernel, conv.dilation)) is not None:
        yield _edit(site, f"kernel {_short(kernel)}", growth + 0.5, kernel_size=kernel, padding=padding)


def shrink(site: Site) -> Iterator[Edit]:
    """Smaller kernels, of the same parity."""
    conv = site.plain
    for kernel in range(max(conv.kernel_size) - 2, 0, -2) if conv is not None else ():
        assert conv is not None
        sizes = tuple(min(k, kernel) for k in conv.kernel_size)
        if (padding := _same_size(conv, sizes, conv.dilation)) is not None:
            saved = conv.weight.numel() * (1 - math.prod(sizes) / math.prod(conv.kernel_size))
            yield _edit(site, f"kernel {_short(sizes)}", saved, kernel_size=sizes, padding=padding)


def restride(site: Site, stride: int) -> Iterator[Edit]:
    """Another stride in a spatial convolution."""
    if site.spatial and set(site.conv.stride) != {stride} and not isinstance(site.conv.padding, str):
        yield _edit(site, f"stride {stride}", site.pixels, stride=(stride,) * len(site.conv.stride))


def separate(site: Site) -> Iterator[Edit]:
    """A depthwise and a 1x1 convolution in place of a plain one."""
    conv = site.plain
    if conv is None or not site.spatial or conv.groups > 1 or conv.in_channels == 1:
        return
    saved = conv.weight.numel() - conv.in_channels * (math.prod(conv.kernel_size) + conv.out_channels)

    def make(conv: ConvNd) -> nn.Module:
        depthwise = _like(conv, out_channels=conv.in_channels, groups=conv.in_channels, bias=False)
        return nn.Sequential(depthwise, _pointwise(conv, conv.in_channels, conv.out_channels, conv.bias is not None))

    kernel = "x".join(map(str, conv.kernel_size))
    text = f"splitting {{}} into a depthwise {kernel} and a 1x1 convolution"

    def rewrite(conv: ConvNd, nn_: str, call: str, written: Written) -> str:
        inputs, outputs, kernel = (needed(written, name) for name in _SIZES)
        options = {name: written(name) for name in ("stride", "padding", "dilation")}
        options |= {"groups": inputs, "bias": "False", "padding_mode": written("padding_mode")}
        depthwise = written_call(conv, nn_, written, inputs, inputs, kernel, **options)
        pointwise = written_call(conv, nn_, written, inputs, outputs, "1", bias=written("bias"))
        return f"{nn_}Sequential({depthwise}, {pointwise})"

    yield Edit(layer=site.name, text=text, size=saved, make=make, rewrite=rewrite)


def follow_pointwise(site: Site) -> Iterator[Edit]:
    """A 1x1 convolution right after a depthwise one."""
    conv = site.plain
    if conv is not None and conv.groups == conv.in_channels > 1:
        like = conv

        def make(conv: ConvNd) -> nn.Module:
            return nn.Sequential(conv, _pointwise(conv, conv.out_channels, conv.out_channels, False))

        def rewrite(conv: ConvNd, nn_: str, call: str, written: Written) -> str:
            outputs = needed(written, "out_channels")
            return f"{nn_}Sequential({call}, {written_call(like, nn_, written, outputs, outputs, '1', bias='False')})"

        text, size = "a 1x1 convolution right after {}", conv.out_channels**2
        yield Edit(layer=site.name, text=text, size=size, make=make, rewrite=rewrite)


def group(site: Site) -> Iterator[Edit]:
    """Two and four times the number of groups."""
    conv = site.plain
    for groups in (2 * conv.groups, 4 * conv.groups) if conv is not None else ():
        assert conv is not None
        if conv.in_channels % groups == 0 == conv.out_channels % groups:
            saved = conv.weight.numel() * (1 - conv.groups / groups)
            yield _edit(site, f"groups {groups}", saved, groups=groups)


def _edit(site: Site, change: str, size: float, **arguments: Any) -> Edit:
    """An edit that changes arguments of a convolution."""
    if arguments.get("padding", site.conv.padding) != site.conv.padding:
        change += f" and padding {_short(arguments['padding'])}"
    else:
        arguments.pop("padding", None)
    depends = {"padding": ("kernel_size", "padding", "dilation")}
    text = f"{change} in {{}}"
    if isinstance(site.conv, CalledConv):
        in_forward = ForwardEdit(
            functions={site.conv.function: site.conv.function}, numbers=frozenset({site.conv.number}), of_layers=False,
            arguments={name: one(value) for name, value in arguments.items()},
        )  # fmt: skip
        make = in_forward.around()
        return Edit(layer="", text=text, size=size, make=make, in_forward=in_forward, called=site.called)
    return Edit(
        layer=site.name,
        text=text,
        size=size,
        make=lambda conv: _like(conv, **arguments),
        arguments=arguments,
        worked_out_of=depends,
    )


def needed(written: Written, name: str) -> str:
    """The source of an argument; raises UnusableInputError where the call leaves it out."""
    if (given := written(name)) is None:
        raise UnusableInputError(f"the call that makes the layer leaves {name} out")
    return given


def written_call(conv: ConvNd, nn_: str, written: Written, *sizes: str, **options: str | None) -> str:
    """The source of a call that makes a convolution like ``conv``, with arguments from the original call."""
    given = [*sizes, *(f"{name}={text}" for name, text in options.items() if text is not None)]
    module = nn_ if type(conv) in CONVS else ""  # else a class defined in the file
    return f"{module}{type(conv).__name__}({', '.join(given)}{written_place(written)})"


def written_place(written: Written) -> str:
    """The source of a call's device and dtype arguments, with a leading comma."""
    given = {name: written(name) for name in ("device", "dtype")}
    return "".join(f", {name}={text}" for name, text in given.items() if text is not None)


def _like(conv: ConvNd, **changes: Any) -> ConvNd:
    """A convolution that differs from ``conv`` by ``changes`` only, with its weights where their shapes match."""
    if set(changes) <= ADJUSTED:
        return _adjusted(conv, **changes)
    names = ("in_channels", "out_channels", "kernel_size", "groups", *ADJUSTED, "padding_mode")
    same = {name: getattr(conv, name) for name in names} | {"bias": conv.bias is not None}
    made = type(conv)(**(same | place_of(conv) | changes))
    fitting = {name: w for name, w in conv.state_dict().items() if made.state_dict().get(name, w[:0]).shape == w.shape}
    made.load_state_dict(fitting, strict=False)
    return made


def _adjusted(conv: ConvNd, **changes: Any) -> ConvNd:
    """The same convolution, of any class, with other strides, paddings or dilations; it shares the weights."""
    kind = next(k for k in CONVS if isinstance(conv, k))
    kept = {name: getattr(conv, name) for name in ("kernel_size", *ADJUSTED, "padding_mode")}
    small = kind(1, 1, **(kept | changes))  # its constructor computes the attributes that depend on them
    made = copy.copy(conv)
    vars(made).update({name: dict(registry) for name, registry in vars(conv).items() if name in _REGISTRIES})
    vars(made).update({name: value for name, value in vars(small).items() if name in {*ADJUSTED, _FOLLOWS}})
    return made


def _pointwise(conv: ConvNd, inputs: int, outputs: int, bias: bool) -> ConvNd:
    return type(conv)(inputs, outputs, 1, bias=bias, **place_of(conv))


def place_of(layer: nn.Module) -> dict[str, Any]:
    """Device and dtype of a layer's weights, as arguments."""
    weight = layer.weight
    return {"device": weight.device, "dtype": weight.dtype}


def _same_size(
    conv: ConvNd | CalledConv, kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> str | tuple[int, ...] | None:
    """The padding that keeps the output size; None where it would be half a pixel or negative."""
    if isinstance(conv.padding, str):
        return conv.padding if conv.padding == "same" else None
    extents = zip(conv.padding, kernel, dilation, conv.kernel_size, conv.dilation, strict=True)
    twice = [2 * p + d * (k - 1) - d0 * (k0 - 1) for p, k, d, k0, d0 in extents]
    return tuple(t // 2 for t in twice) if all(t >= 0 and t % 2 == 0 for t in twice) else None


def _short(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))
