"""The kinds of components that a network is a chain of."""

from __future__ import annotations

from functools import lru_cache

from nas.architecture.components.component import Component, Convolution, Peak, Reach, Shape
from nas.architecture.components.conv import Conv
from nas.architecture.components.excite import Excite
from nas.architecture.components.gated import Gated
from nas.architecture.components.mixed import Mixed, MixedPart, read_parts
from nas.architecture.components.unshuffle import Unshuffle
from nas.architecture.errors import ArchitectureError

__all__ = [
    "KINDS",
    "Component",
    "Conv",
    "Convolution",
    "Excite",
    "Gated",
    "Mixed",
    "MixedPart",
    "Peak",
    "Reach",
    "Shape",
    "Unshuffle",
    "read",
    "read_parts",
]  # fmt: skip

KINDS: tuple[type[Component], ...] = (Conv, Gated, Mixed, Excite, Unshuffle)


@lru_cache(maxsize=1 << 14)
def read(word: str, channels: int, usual: str) -> Component:
    """The component of a word, given its input ``channels``; ``usual`` is what follows where the word does not say.

    Raises ArchitectureError for a text that is not a word of any kind.
    """
    for kind in KINDS:
        component = kind.read(word, channels, usual)
        if component is not None:
            return component
    raise ArchitectureError(
        f"not a layer: {word!r}: write it like c32, c32k5s2d2, dw, pw64, gl48, mx3_5, se4, u2 or c64g8:RB"
    )
