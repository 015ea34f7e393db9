"""Insert convolutions into a model: after a layer, before it, or before the whole model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, Literal

from torch import nn

from constraints.call_syntax import Written
from constraints.conv_edits import needed, place_of, written_place
from constraints.conv_sites import CONVS, Site
from constraints.edits import Edit, listed, ordinal
from constraints.errors import UnusableInputError

_CONVS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORMS: dict[int, type[nn.Module]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_PIXELS = 9.0
END_DILATION = 2
"""The dilation of a convolution that ends a stage."""
Kind = Literal["", "separable", "depthwise"]
_KINDS: dict[Kind, str] = {
    "": "{} convolution", "separable": "depthwise-separable {} convolution", "depthwise": "depthwise {} convolution"
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Convolutions:
    """A sequence of convolutions with kernel size 3 that keeps the number of channels and the map's size."""

    channels: int
    axes: int = 2
    dilations: Sequence[int] = (1,)
    """Dilation of each convolution."""
    kind: Kind = ""
    place: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments for device and dtype."""

    @property
    def size(self) -> float:
        """Approximate number of weights."""
        each = {"": _PIXELS * self.channels, "separable": _PIXELS + self.channels, "depthwise": _PIXELS}[self.kind]
        return len(self.dilations) * self.channels * each

    @property
    def text(self) -> str:
        """Their number, kind and dilations in words."""
        name, number = _KINDS[self.kind].format("x".join("3" * self.axes)), len(self.dilations)
        ends = [i for i, d in enumerate(self.dilations, 1) if d > 1]
        if number == 1:
            return f"one more {'dilated ' * bool(ends)}{name}"
        dilated = f" (dilation {END_DILATION} in the {listed(list(map(ordinal, ends)))})" if ends else ""
        return f"{number} more {name}s{dilated}"

    def modules(self) -> list[nn.Module]:
        """They alone."""
        return [nn.Sequential(*made) if len(made) > 1 else made[0] for made in map(self._made, self.dilations)]

    def norm(self) -> nn.Module:
        """A batch normalisation for one of them."""
        return _NORMS[self.axes](self.channels, **self.place)

    def written(self, width: str, nn_: str, written: Written) -> list[str]:
        """The source of their constructor calls, with ``width`` channels; device and dtype as in the original."""
        make = f"{nn_}{_CONVS[self.axes].__name__}({width}, {width}, "
        found = []
        for dilation in self.dilations:
            options = f"3, padding={dilation}" + f", dilation={dilation}" * (dilation > 1)
            options += f", groups={width}" * bool(self.kind)
            conv = f"{make}{options}, bias=False{written_place(written)})"
            pointwise = f"{make}1, bias=False{written_place(written)})"
            found.append(f"{nn_}Sequential({conv}, {pointwise})" if self.kind == "separable" else conv)
        return found

    def _made(self, dilation: int) -> list[nn.Module]:
        conv, width = _CONVS[self.axes], self.channels
        options = {"padding": dilation, "dilation": dilation, "groups": width if self.kind else 1}
        made = [conv(width, width, 3, bias=False, **options, **self.place)]
        return made + [conv(width, width, 1, bias=False, **self.place)] * (self.kind == "separable")


def insert(site: Site, count: int = 1, *, before: bool = False) -> Iterator[Edit]:
    """More convolutions (3x3, as many channels, norm and ReLU between) after a spatial one, or before it."""
    if site.spatial and isinstance(site.conv, CONVS):
        channels = site.conv.in_channels if before else site.conv.out_channels
        axes, place = len(site.conv.kernel_size), place_of(site.conv)
        yield beside(site.name, Convolutions(channels=channels, axes=axes, dilations=(1,) * count, place=place), before)


def beside(layer: str, more: Convolutions, before: bool = False) -> Edit:
    """Convolutions after a layer, or before it, with norm and ReLU between."""

    def make(there: nn.Module) -> nn.Module:
        first, *others = [*more.modules(), there] if before else [there, *more.modules()]
        links = [(more.norm(), nn.ReLU(), other) for other in others]
        return nn.Sequential(first, *chain.from_iterable(links))

    def rewrite(there: nn.Module, nn_: str, call: str, written: Written) -> str:
        if not isinstance(there, _CONVS[more.axes]):
            raise UnusableInputError(f"{type(there).__name__} is not torch's {_CONVS[more.axes].__name__}")
        width = needed(written, "in_channels" if before else "out_channels")
        made = more.written(width, nn_, written)
        links = f"{nn_}{_NORMS[more.axes].__name__}({width}{written_place(written)}), {nn_}ReLU()"
        return f"{nn_}Sequential({f', {links}, '.join([*made, call] if before else [call, *made])})"

    text = f"{more.text}, with batch norm and ReLU between, {'before' if before else 'after'} {{}}"
    return Edit(layer=layer, text=text, size=more.size, make=make, rewrite=rewrite, wraps=True)


def before_the_model(model: nn.Module, more: Convolutions) -> Edit:
    """Convolutions, each with norm and ReLU, on the model's input."""

    def added() -> nn.Sequential:
        return nn.Sequential(*chain.from_iterable((conv, more.norm(), nn.ReLU()) for conv in more.modules()))

    number = more.text.replace(" more ", " ")
    each = "each " * (len(more.dilations) > 1)
    text = f"{number}, {each}with batch norm and ReLU, on the image before the model"
    if type(model).forward is nn.Sequential.forward and model._modules:  # a Sequential would run what is added to it
        first = next(iter(model._modules))
        around = partial(_behind, added)
        return Edit(layer=first, text=text, size=more.size, make=around, wraps=True, alone=True)
    return Edit(layer="", text=text, size=more.size, make=on_the_input, adds=added)


def _behind(added: Callable[[], nn.Sequential], there: nn.Module) -> nn.Module:
    return added().append(there)


def on_the_input(added: nn.Module, forward: Callable[..., Any], image: Any, *others: Any, **named: Any) -> Any:
    """A forward pass that runs additional layers on the image first."""
    return forward(added(image), *others, **named)
