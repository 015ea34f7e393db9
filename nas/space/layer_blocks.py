"""The blocks of one layer of a space's network."""

from __future__ import annotations

from functools import lru_cache

from nas.architecture.spec import Block
from nas.space import layer_words
from nas.space.stage_space import Residual


@lru_cache(maxsize=1 << 16)
def layer_blocks(
    word: str,
    channels: int,
    out: int,
    *,
    post: tuple[str, ...],
    residual: Residual = False,
    stride: int = 1,
    dilation: int | None = None,
) -> tuple[Block, ...]:
    """The blocks of one layer: a single one if it is residual or called several times, otherwise one per component.

    Results are cached and shared by a space's networks.
    """
    made = layer_words.components(word, channels, out, post=post, stride=stride, dilation=dilation)
    layer = layer_words.read(word)
    if channels == out and stride == 1:
        residual = residual or layer.residual
    if residual or layer.calls > 1:
        return (Block(components=made, residual=bool(residual), scaled=residual == "scaled", calls=layer.calls),)
    return tuple(Block(components=(component,)) for component in made)
