"""The kinds of units that a network is a chain of."""

from __future__ import annotations

from nas.architecture.errors import ArchitectureError
from nas.architecture.units.conv import Conv
from nas.architecture.units.excite import Excite
from nas.architecture.units.gated import Gated
from nas.architecture.units.mixed import Mixed, Part, read_parts
from nas.architecture.units.unit import Convolution, Peak, Reach, Shape, Unit
from nas.architecture.units.unshuffle import Unshuffle

__all__ = [
    "KINDS", "Conv", "Convolution", "Excite", "Gated", "Mixed", "Part", "Peak", "Reach", "Shape", "Unit", "Unshuffle",
    "read", "read_parts",
]  # fmt: skip

KINDS: tuple[type[Unit], ...] = (Conv, Gated, Mixed, Excite, Unshuffle)


def read(word: str, channels: int, usual: str) -> Unit:
    """The unit of a word, given its input ``channels``; ``usual`` is what follows where the word does not say.

    Raises ArchitectureError for a text that is not a word of any kind.
    """
    for kind in KINDS:
        unit = kind.read(word, channels, usual)
        if unit is not None:
            return unit
    raise ArchitectureError(
        f"not a layer: {word!r}: write it like c32, c32k5s2d2, dw, pw64, gl48, mx3_5, se4, u2 or c64g8:RB"
    )
