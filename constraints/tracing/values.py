"""What is known of each tensor of a traced run; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from constraints.tracing.axes import Shape, View
from constraints.tracing.joining import joined

if TYPE_CHECKING:
    from constraints.tracing.flows import Flow
    from constraints.tracing.handles import Storage

Views = tuple[View | None, ...]
"""One for each spatial axis of each input; None where the tensor does not depend on that input."""
Region = Mapping[int, range]
"""A part of a tensor: the indices along each axis that it does not fill."""


class Part(NamedTuple):
    """A tensor laid into a part of another: its views have the axes of the whole, and count along them within it."""

    region: Region
    views: Views
    flow: Flow


@dataclass(slots=True, eq=False)
class Value:
    """What is known of one tensor at one step."""

    shape: Shape
    views: Views
    flow: Flow
    storage: Storage | None
    index: int = 0
    """The call that made it."""
    params: frozenset[str] = frozenset()
    """The parameters that it was computed from, where no input was involved."""
    parts: tuple[Part, ...] = ()
    """What it was put together of, where that was several tensors."""
    fill: float | None = None
    """Of a constant whose elements are all one number: that number."""

    @property
    def depends(self) -> bool:
        """Whether it depends on an input of the model."""
        return self.flow.origin is not None

    @property
    def is_weight(self) -> bool:
        """Whether it was there before the run, registered or not, or was made of parameters."""
        return not self.depends and (self.storage is None or bool(self.params))

    @property
    def is_live(self) -> bool:
        """Whether it is still a map along some spatial axis."""
        return any(v is not None and v.is_live for v in self.views)

    @property
    def is_local(self) -> bool:
        """Whether it is so, and not only the places within its patches are left."""
        return any(v is not None and v.is_local for v in self.views)


def join_views(several: Iterable[Views]) -> Views:
    """The hull of aligned tensors, axis by axis."""
    rows = list(several)
    result = rows[0]
    for row in rows[1:]:
        result = tuple(joined(a, b) for a, b in zip(result, row, strict=True))
    return result
