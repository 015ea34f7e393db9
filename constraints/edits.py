"""Changes to layers of a model, each with its likely size; a trace says whether they help."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Any

from torch import nn

from constraints.errors import UnusableInputError
from constraints.forward_edits import ForwardEdit
from constraints.metrics import Layer
from constraints.model_state import parts
from constraints.replacing import replace_module
from constraints.source_edits import Written

ConvNd = nn.Conv1d | nn.Conv2d | nn.Conv3d
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_WHERE = "{}"
_MOST_NAMES = 1000
_SIZES = ("in_channels", "out_channels", "kernel_size")


Rewrite = Callable[[Any, str, str, Written], str]
"""(layer, ``nn.`` as it is imported, the call that makes it, what that gives) -> the expression in its place."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One layer replaced by another, or what the model itself does by something around it."""

    layer: str
    """Dotted name; empty for the model's own forward pass."""
    text: str
    """All that changes, as the subject of a sentence: ``dilation 2 and padding 2 in {}``, with ``{}`` for the layer."""
    size: float
    """How much changes, to try small changes first; comparable among edits for one metric."""
    make: Callable[..., Any]
    """What is there -> what takes its place: a module; for the model itself, its forward method.

    That is no function around it but a ``partial``, which a copy of the model copies with it.
    """
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the call that makes the layer, with their new values, where that is all that changes."""
    rewrite: Rewrite | None = None
    """What writes the expression in place of the call that makes the layer, where there is one."""
    worked_out_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """One of ``arguments`` -> others of that call of which its new value is worked out."""
    reshapes: bool = False
    """Whether it changes the shape of the model's output on purpose."""
    wraps: bool = False
    """Whether it puts others around whatever is there."""
    alone: bool = False
    """Whether only the named place of a layer changes, not the others at which a model has the same layer."""
    adds: Callable[[], nn.Module] | None = None
    """What makes a further part of the model, which is then given to ``make`` before the forward method."""
    in_forward: ForwardEdit | None = None
    """Which calls of functions change, where that is what ``make`` does to the forward method."""

    @property
    def order(self) -> int:
        """Its place among edits of one layer: arguments first, then what replaces it, then what is put around it."""
        return (self.rewrite is not None) + self.wraps


Change = tuple[Edit, ...]
"""Edits that are made together, in this order."""


def words(change: Change, others: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """What a change is, as the subject of a sentence: alike edits in one phrase; ``others`` as of ``other_names``."""
    phrases = []
    for text, alike in groupby(change, key=lambda edit: edit.text):
        names = [_called(edit.layer, others.get(edit.layer, ())) for edit in alike]
        phrases.append(text.replace(_WHERE, f"layer{'s' * (len(names) > 1)} {listed(names)}", 1))
    return listed([p.removesuffix(",") for p in phrases] if len(phrases) > 1 else phrases)


def _called(name: str, others: Sequence[str]) -> str:
    return f"{name} (which is {listed(others)} too)" if others else name


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@contextmanager
def applied(model: nn.Module, change: Change) -> Iterator[None]:
    """The model with a change made in it, taken back at the end."""
    with ExitStack() as undo:
        for edit in change:
            undo.callback(apply(model, edit))
        yield


def apply(model: nn.Module, edit: Edit) -> Callable[[], None]:
    """Make an edit in the model, under every name that a shared layer has, or one; what is returned takes it back."""
    if not edit.layer:
        return _apply_to_forward(model, edit)
    original = parts(model).modules[edit.layer]
    made = edit.make(original).train(original.training)
    if edit.alone:
        model.set_submodule(edit.layer, made)
        return partial(model.set_submodule, edit.layer, original)
    return replace_module(model, original, made)


def _apply_to_forward(model: nn.Module, edit: Edit) -> Callable[[], None]:
    undo, before = ExitStack(), vars(model).get("forward")
    if edit.adds:
        name, part = _free_name(model), edit.adds().train(model.training)
        model.add_module(name, part)
        undo.callback(delattr, model, name)
        model.forward = partial(edit.make, part, model.forward)
    else:
        model.forward = edit.make(model.forward)
    undo.callback(lambda: delattr(model, "forward") if before is None else setattr(model, "forward", before))
    return undo.close


def _free_name(model: nn.Module) -> str:
    """The first of ``added0``, ``added1``, ... that is no attribute of a model."""
    for name in (f"added{i}" for i in range(_MOST_NAMES)):
        if not hasattr(model, name):
            return name
    raise UnusableInputError(f"{type(model).__name__} has every attribute that it is asked for: no layer can be added")


def other_names(model: nn.Module) -> dict[str, list[str]]:
    """First name of each shared layer -> its further names."""
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    return {first: others for first, *others in names.values() if others}


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
    modules = parts(model).modules
    seen = {layer.name: layer for layer in reversed(layers) if type(modules.get(layer.name)) in _CONVS}
    found = ((name, modules[name]) for name in reversed(seen))
    return tuple(Site(name=name, conv=conv, layer=seen[name]) for name, conv in found if isinstance(conv, _CONVS))


def dilate(site: Site, dilation: int) -> Iterator[Edit]:
    """A larger dilation, the size of the result kept, where every tap still meets the map."""
    conv = site.conv
    sizes = tuple(max(d, dilation) if k > 1 else d for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    if sizes == conv.dilation or not site.reaches(sizes):
        return
    if (padding := _same_size(conv, conv.kernel_size, sizes)) is not None:
        yield _edit(site, f"dilation {_short(sizes)}", dilation - 1, dilation=sizes, padding=padding)


def undilate(site: Site) -> Iterator[Edit]:
    """No dilation, the size of the result kept."""
    conv, ones = site.conv, (1,) * len(site.conv.dilation)
    if max(conv.dilation) > 1 and (padding := _same_size(conv, conv.kernel_size, ones)) is not None:
        yield _edit(site, "dilation 1", max(conv.dilation), dilation=ones, padding=padding)


def enlarge(site: Site, growth: float) -> Iterator[Edit]:
    """A larger kernel, the least step that widens the receptive field by ``growth`` pixels on every axis."""
    conv = site.conv
    more = 2 * math.ceil(growth / (2 * min(j * d for j, d in zip(site.jump, conv.dilation, strict=True))))
    kernel = tuple(k + more for k in conv.kernel_size)
    if not site.spatial or max(kernel) > 2 * max(conv.kernel_size) + 1:
        return
    if (padding := _same_size(conv, kernel, conv.dilation)) is not None:
        yield _edit(site, f"kernel {_short(kernel)}", growth + 0.5, kernel_size=kernel, padding=padding)


def shrink(site: Site) -> Iterator[Edit]:
    """Smaller kernels, of the same parity."""
    conv = site.conv
    for kernel in range(max(conv.kernel_size) - 2, 0, -2):
        sizes = tuple(min(k, kernel) for k in conv.kernel_size)
        if (padding := _same_size(conv, sizes, conv.dilation)) is not None:
            saved = conv.weight.numel() * (1 - math.prod(sizes) / math.prod(conv.kernel_size))
            yield _edit(site, f"kernel {_short(sizes)}", saved, kernel_size=sizes, padding=padding)


def restride(site: Site, stride: int) -> Iterator[Edit]:
    """Another stride in a spatial convolution."""
    if site.spatial and set(site.conv.stride) != {stride} and not isinstance(site.conv.padding, str):
        yield _edit(site, f"stride {stride}", site.pixels, stride=(stride,) * len(site.conv.stride))


def separate(site: Site) -> Iterator[Edit]:
    """A depthwise convolution and a 1x1 in place of a plain one."""
    conv = site.conv
    if not site.spatial or conv.groups > 1 or conv.in_channels == 1:
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
    conv = site.conv
    if conv.groups == conv.in_channels > 1:

        def make(conv: ConvNd) -> nn.Module:
            return nn.Sequential(conv, _pointwise(conv, conv.out_channels, conv.out_channels, False))

        def rewrite(conv: ConvNd, nn_: str, call: str, written: Written) -> str:
            outputs = needed(written, "out_channels")
            return (
                f"{nn_}Sequential({call}, {written_call(site.conv, nn_, written, outputs, outputs, '1', bias='False')})"
            )

        text, size = "a 1x1 convolution right after {}", conv.out_channels**2
        yield Edit(layer=site.name, text=text, size=size, make=make, rewrite=rewrite)


def group(site: Site) -> Iterator[Edit]:
    """Twice and four times the groups."""
    conv = site.conv
    for groups in (2 * conv.groups, 4 * conv.groups):
        if conv.in_channels % groups == 0 == conv.out_channels % groups:
            saved = conv.weight.numel() * (1 - conv.groups / groups)
            yield _edit(site, f"groups {groups}", saved, groups=groups)


def _edit(site: Site, change: str, size: float, **arguments: Any) -> Edit:
    """Other arguments of a convolution, all of which are named."""
    if arguments.get("padding", site.conv.padding) != site.conv.padding:
        change += f" and padding {_short(arguments['padding'])}"
    return Edit(
        layer=site.name,
        text=f"{change} in {{}}",
        size=size,
        make=lambda conv: _like(conv, **arguments),
        arguments=arguments,
        worked_out_of={"padding": ("kernel_size", "padding", "dilation")},
    )


def needed(written: Written, name: str) -> str:
    """The expression of an argument; raises UnusableInputError where the call leaves it out."""
    if (given := written(name)) is None:
        raise UnusableInputError(f"the call that makes the layer does not give {name}")
    return given


def written_call(conv: ConvNd, nn_: str, written: Written, *sizes: str, **options: str | None) -> str:
    """The call that makes a convolution like ``conv``, of the expressions of the call that makes that."""
    given = [*sizes, *(f"{name}={text}" for name, text in options.items() if text is not None)]
    return f"{nn_}{type(conv).__name__}({', '.join(given)}{written_place(written)})"


def written_place(written: Written) -> str:
    """The arguments that a call gives for device and dtype, with the comma before them."""
    given = {name: written(name) for name in ("device", "dtype")}
    return "".join(f", {name}={text}" for name, text in given.items() if text is not None)


def _like(conv: ConvNd, **changes: Any) -> ConvNd:
    """A convolution that differs from ``conv`` by ``changes`` alone, with its weights where they fit."""
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
    made = type(conv)(**(same | place_of(conv) | changes))
    fitting = {name: w for name, w in conv.state_dict().items() if made.state_dict().get(name, w[:0]).shape == w.shape}
    made.load_state_dict(fitting, strict=False)
    return made


def _pointwise(conv: ConvNd, inputs: int, outputs: int, bias: bool) -> ConvNd:
    return type(conv)(inputs, outputs, 1, bias=bias, **place_of(conv))


def place_of(layer: nn.Module) -> dict[str, Any]:
    """Device and dtype of a layer's weights, as arguments."""
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
