"""The last pool of a network, if it is not global: the part of the map it covers, and the field before it; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from constraints.metrics import Layer


@dataclass(frozen=True, kw_only=True)
class LastPool:
    """A pool whose window is not the whole map, with no layer after it that reads neighbouring units."""

    layer: Layer
    map: tuple[int, ...]
    """Height and width of its input."""
    field: tuple[int, ...]
    """Receptive field of its input."""

    def words(self) -> str:
        """The covered part in words: ``g averages 3x3 of 4x4``."""
        verb = "averages" if "avg" in self.layer.op else "takes the maximum of"
        size, whole = ("x".join(map(str, sides)) for sides in (self.layer.kernel, self.map))
        return f"{self.layer.name} {verb} {size} of {whole}, which is not the whole map"


def last_pool(layers: Sequence[Layer]) -> LastPool | None:
    """The last layer that reads neighbouring units, if it is a pool that is not global; else None."""
    looking = [i for i, layer in enumerate(layers) if layer.kernel and prod(layer.kernel) > 1]
    if not looking or "pool" not in layers[looking[-1]].op:
        return None
    pool = layers[looking[-1]]
    before = [s for s in layers[: looking[-1]] if s.receptive_field and len(s.output) == 1 + len(pool.kernel)]
    if not before or before[-1].output[1:] == pool.kernel or before[-1].receptive_field is None:
        return None
    return LastPool(layer=pool, map=before[-1].output[1:], field=before[-1].receptive_field)
