"""The layer words of a space file: ``c3``, ``sep5d2``, ``ir3_5e4se4``, ``gate7``.

=================  =====================================================================================================
``c3`` ``c5d2``    a standard convolution: kernel, d2 dilation, g4 groups
``pw``             a 1x1 convolution
``sep5``           depthwise-separable: depthwise, then 1x1
``ir5e4``          inverted residual: 1x1 to 4 times the channels, depthwise, linear 1x1 (MobileNetV2)
``gate7``          depthwise, gated product of two 1x1, 1x1 (as in xvel/cifar10-tiniest)
``sep1_3_7d3a3``   several depthwise kernels over shares of the channels: one passes, one 3x3, one average pool of 3
                   then 7x7 of dilation 3; in ``sep``, ``ir`` and ``gate``
``c3b`` ``gate7b`` a bias, and no activation of the convolution's own; in a ``gate`` a bias of the depthwise part
``...se4``         squeeze-and-excitation after the layer, a quarter of the channels between; any layer
``2gate7`` ``3c3`` of a body layer: called so many times, each time on its own result, with the same weights; where the
                   layer is residual, the input of each call is added to its result
``+...`` ``%...``  of the last layer of the last stage, where it keeps size and channels: its input is added, in ``%``
                   times a learned factor a channel
=================  =====================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from constraints.errors import UnusableInputError
from nas.architecture.components import Component, Conv, Excite, Gated, Mixed, MixedPart, read_parts
from nas.architecture.spec import MOST_CALLS

_MORE = r"(?:[2-9]|[1-9]\d+)"
_ODD = r"(?:[3579]|[1-9]\d*[13579])"
_PART = rf"(?:1|{_ODD}(?:d{_MORE})?(?:a{_ODD})?)"
_WORD = re.compile(
    rf"(?P<sum>[+%])?(?P<calls>{_MORE})?(?:c(?P<kernel>{_ODD})(?:d(?P<dilation>{_MORE}))?(?:g(?P<groups>{_MORE}))?|(?P<point>pw)"
    rf"|(?P<kind>sep|ir|gate)(?P<parts>{_PART}(?:_{_PART})*)(?:e(?P<expansion>{_MORE}))?)"
    r"(?P<bias>b)?(?:se(?P<reduction>[1-9]\d*))?",
    re.ASCII,
)
_TOO_LONG = re.compile(r"\d{10}")
_HELP = "not a layer: write c3, c5d2, c3g4, pw, sep5, sep3_5d2, ir3e4, gate7 (odd kernels above 1), any with se4 behind"
_CALLED_AGAIN = "only a body layer is called several times, because it keeps size and channels: take the number off"


class ParsedWord(NamedTuple):
    """A parsed word."""

    kind: str
    """c, pw, sep, ir or gate."""
    parts: tuple[MixedPart, ...]
    """Its spatial convolution, or several side by side; none in a 1x1."""
    groups: int
    expansion: int
    reduction: int
    """0: no squeeze-and-excitation."""
    bias: bool = False
    residual: Literal["scaled"] | bool = False
    """The word's own residual (``+`` or ``%``), where the layer keeps size and channels."""
    calls: int = 1


def read(word: str) -> ParsedWord:
    """Parse a word; ValueError where it names no layer."""
    match = _WORD.fullmatch(word)
    if match is None or _TOO_LONG.search(word):
        raise ValueError(_HELP)
    kind = match["kind"] or ("pw" if match["point"] else "c")
    parts = read_parts(match["parts"]) if match["parts"] else ()
    if kind == "c":
        parts = (MixedPart(int(match["kernel"]), int(match["dilation"] or 1)),)
    alone = len(parts) == 1 and (parts[0].kernel == 1 or parts[0].pool > 1)
    same = len(parts) > 1 and len(set(parts)) == 1
    has_bias, is_biased = bool(match["bias"]), kind in {"c", "gate"}
    if alone or same or (kind == "ir") != bool(match["expansion"]) or has_bias > is_biased:
        raise ValueError(_HELP)
    if int(match["calls"] or 1) > MOST_CALLS:
        raise ValueError(f"a layer is called at most {MOST_CALLS} times")
    return ParsedWord(
        kind,
        parts,
        int(match["groups"] or 1),
        int(match["expansion"] or 1),
        int(match["reduction"] or 0),
        has_bias,
        "scaled" if match["sum"] == "%" else match["sum"] == "+",
        int(match["calls"] or 1),
    )


def check_word(word: str) -> str:
    """Return ``word``; ValueError where it names no layer, or one that may only be the last of a network."""
    if read(word).residual:
        raise ValueError("only the last layer of the last stage has + or % of its own: use residual")
    return word


def check_first(word: str) -> str:
    """Return ``word``; ValueError where it names no layer that can change the number of channels, as the first must."""
    if read(check_word(word)).calls > 1:
        raise ValueError(_CALLED_AGAIN)
    return word


def check_last(word: str) -> str:
    """Return ``word``; ValueError where the layer cannot have the stride or dilation that ends a stage."""
    layer = read(word)
    if layer.calls > 1:
        raise ValueError(_CALLED_AGAIN)
    if layer.residual:  # its stage ends with neither stride nor dilation: the space checks it
        return word
    if any(part.kernel == 1 or part.dilation > 1 for part in layer.parts):
        raise ValueError("not the last layer of a stage: stride and dilation follow from the form: write c3 or sep3_5")
    if len(layer.parts) > 1 and len({part._replace(dilation=1) for part in layer.parts}) == 1:
        raise ValueError(_HELP)
    return word


def misfit(word: str, channels: int) -> str:
    """Why the layer cannot have ``channels`` input channels; empty where it can."""
    layer = read(word)
    inside = channels * layer.expansion
    if channels % layer.groups:
        return f"the groups of {word!r} do not divide the width {channels}"
    if layer.groups == channels > 1:
        return f"the groups of {word!r} make it depthwise at the width {channels}: write sep"
    if len(layer.parts) > 1 and inside % len(layer.parts):
        return f"the {len(layer.parts)} kernels of {word!r} do not divide the width {inside}"
    return ""


def components(
    word: str, channels: int, out: int, *, post: tuple[str, ...], stride: int = 1, dilation: int | None = None
) -> tuple[Component, ...]:
    """The components of one call of a layer from ``channels`` to ``out``; ``dilation`` overrides the word's own.

    The spatial convolution (the depthwise one where there are several) has the kernel, stride and dilation. ``post`` is
    a norm and an activation; linear 1x1 convolutions have only the norm, gated ones a bias instead.
    """
    try:
        layer = read(word)
    except ValueError as error:
        raise UnusableInputError(f"{word!r}: {error}") from None
    gate = (Excite(reduction=layer.reduction),) if layer.reduction else ()
    if layer.kind == "pw":
        return Conv(out=out, kernel=1, stride=stride, post=post), *gate
    parts = tuple(p._replace(dilation=p.dilation if dilation is None else dilation) for p in layer.parts)
    if layer.kind == "c":
        kernel, spread, _ = parts[0]
        own = post[:1] if layer.bias else post
        conv = Conv(
            out=out, kernel=kernel, stride=stride, dilation=spread, groups=layer.groups, bias=layer.bias, post=own
        )
        return conv, *gate
    inside = channels * layer.expansion
    depthwise = _depthwise(parts, inside, stride, post[:1] if layer.kind == "gate" else post, bias=layer.bias)
    if layer.kind == "ir":
        made: tuple[Component, ...] = (
            Conv(out=inside, kernel=1, post=post),
            depthwise,
            Conv(out=out, kernel=1, post=post[:1]),
        )
    elif layer.kind == "gate":
        gated = Gated(out=channels, bias=True, post=post[1:])
        made = (depthwise, gated, Conv(out=out, kernel=1, bias=True, post=()))
    else:
        made = (depthwise, Conv(out=out, kernel=1, post=post))
    return *made, *gate


def _depthwise(
    parts: tuple[MixedPart, ...], channels: int, stride: int, post: tuple[str, ...], *, bias: bool
) -> Conv | Mixed:
    if len(parts) > 1:
        return Mixed(parts=parts, stride=stride, bias=bias, post=post)
    kernel, dilation, _ = parts[0]
    return Conv(out=channels, kernel=kernel, stride=stride, dilation=dilation, groups=channels, bias=bias, post=post)


@lru_cache(maxsize=1 << 16)
def word_of(made: tuple[Component, ...], channels: int, post: tuple[str, ...]) -> str:
    """The word that produces exactly these components; empty where there is none."""
    core, gate = (made[:-1], made[-1].write(channels, "")) if made[-1].gates else (made, "")
    out = out_channels(made, channels)
    for likely, stride in _likely_words(core, channels):
        word = likely + gate
        try:
            again = components(word, channels, out, post=post, stride=stride)
        except UnusableInputError:
            continue
        if again == made:
            return word + (f"s{stride}" if stride > 1 else "")
    return ""


def _likely_words(core: tuple[Component, ...], channels: int) -> Iterator[tuple[str, int]]:
    """The words of so many components, with the kernels and the stride of these; each without and with a bias."""
    words: list[tuple[str, Component]] = []
    match core:
        case [one]:
            groups = {conv.groups for conv in one.convolutions(channels)} - {1}
            words = [("pw", one), (f"c{one.spatial_word()}" + "".join(f"g{number}" for number in groups), one)]
        case [depthwise, _]:
            words = [(f"sep{depthwise.spatial_word()}", depthwise)]
        case [first, second, _]:
            expansion = first.out_channels(channels) // channels
            words = [(f"gate{first.spatial_word()}", first), (f"ir{second.spatial_word()}e{expansion}", second)]
    for word, spatial in words:
        yield from ((word + bias, spatial.reach().stride) for bias in ("", "b"))


def out_channels(components: Sequence[Component], channels: int) -> int:
    """The number of output channels of successive components."""
    for component in components:
        channels = component.out_channels(channels)
    return channels
