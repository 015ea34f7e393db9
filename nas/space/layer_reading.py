"""Reads a network as a chain of layers in the words of a space file, plus widths, for counting edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas.architecture import norm_act
from nas.architecture.components import Component, Conv
from nas.architecture.spec import Architecture, Block, Shape, Stage
from nas.space import layer_words
from nas.space.stage_space import Residual

LONGEST = 4
"""Components of the longest layer: an inverted residual with a gate."""

Post = tuple[str, ...]


class ChainLayer(NamedTuple):
    """One layer of a chain."""

    word: str
    """Such as ``sep3``, ``2sep3`` or ``c3s2`` (s2: stride 2); layers that no space file has get a similar word."""
    out: int
    residual: Residual = False


@dataclass(frozen=True, kw_only=True)
class NetworkFrame:
    """The properties of a whole network, apart from its layers."""

    head: str
    post: Post
    """Norm and activation, in order, after a convolution that does not specify others."""
    input: Shape
    classes: int


@dataclass(frozen=True, kw_only=True)
class ChainReading:
    """A network as layers."""

    frame: NetworkFrame
    layers: tuple[ChainLayer, ...]
    stages: tuple[int, ...]
    """The stage of each layer, from 1."""


def read(network: Architecture) -> ChainReading:
    """The layers of a network, with the norm and activation for which it has the fewest layers."""
    posts = list(dict.fromkeys(_posts(network)))
    return min((_read(network, post) for post in posts), key=lambda reading: (len(reading.layers), _length(reading)))


def name(components: tuple[Component, ...], channels: int, post: Post, calls: int = 1) -> str:
    """The word of a layer of ``components`` with ``channels`` input channels that is called ``calls`` times."""
    one = layer_words.word_of(components, channels, post) or ".".join(
        _plain(*pair, post) for pair in _fed(components, channels)
    )
    return f"{calls}" * (calls > 1) + one


def _read(network: Architecture, post: Post) -> ChainReading:
    layers, stages, channels = [], [], network.input[0]
    for number, stage in enumerate(network.stages, start=1):
        for layer in _layers(_without_classifier(network, number, stage), channels, post):
            layers.append(layer)
            stages.append(number)
            channels = layer.out
    frame = NetworkFrame(head=network.head, post=post, input=network.input, classes=network.classes)
    return ChainReading(frame=frame, layers=tuple(layers), stages=tuple(stages))


def _without_classifier(network: Architecture, number: int, stage: Stage) -> Stage:
    """The blocks without the final 1x1 convolution to the classes that belongs to the head ``gap``."""
    is_last = network.head == "gap" and number == len(network.stages)
    classifier = Block(components=(Conv(out=network.classes, kernel=1, post=()),))
    return stage[:-1] if is_last and stage[-1] == classifier else stage


def _layers(blocks: Sequence[Block], channels: int, post: Post) -> Iterator[ChainLayer]:
    while blocks:
        first = blocks[0]
        if first.keeps_shape:
            components, taken = first.components, 1
        else:
            components = next(_beginnings(blocks, channels, post), first.components)
            taken = len(components)
        out = layer_words.out_channels(components, channels)
        yield ChainLayer(
            name(components, channels, post, first.calls), out, "scaled" if first.scaled else first.residual
        )
        blocks, channels = blocks[taken:], out


def _beginnings(blocks: Sequence[Block], channels: int, post: Post) -> Iterator[tuple[Component, ...]]:
    """Prefixes of the leading plain blocks' components that form one layer of a space file, longest first."""
    plain: list[Component] = []
    for block in blocks[:LONGEST]:
        if block.keeps_shape:
            break
        plain += block.components
    for length in range(len(plain), 0, -1):
        if layer_words.word_of(tuple(plain[:length]), channels, post):
            yield tuple(plain[:length])


def _plain(component: Component, channels: int, post: Post) -> str:
    """The word of a component, without the number of channels of a convolution."""
    usual = norm_act.write(False, post)
    return layer_words.word_of((component,), channels, post) or component.word_without_channels(channels, usual)


def _fed(components: Sequence[Component], channels: int) -> Iterator[tuple[Component, int]]:
    for component in components:
        yield component, channels
        channels = component.out_channels(channels)


def _posts(network: Architecture) -> Iterator[Post]:
    """Candidates for the default norm and activation: the most frequent pair, then every combination."""
    usual = norm_act.read(str(network).partition("/")[0].partition(".")[0])
    assert usual is not None
    yield usual[1]
    used = {letters for placed in network.placed if (letters := placed.component.letters) is not None}
    names = dict.fromkeys(name for letters in sorted(used) for name in (norm_act.read(letters) or (False, ()))[1])
    for norm in filter(norm_act.is_norm, names):
        for activation in (name for name in names if not norm_act.is_norm(name)):
            yield norm, activation


def _length(reading: ChainReading) -> int:
    return sum(len(layer.word) for layer in reading.layers)
