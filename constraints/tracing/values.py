"""What is known of each tensor of a traced run, and of the call that made it; no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from constraints.tracing.axes import Shape, View
from constraints.tracing.content import Content
from constraints.tracing.joining import joined

CONVOLUTIONS = ("convolution", "_convolution", "conv1d", "conv2d", "conv3d")
Views = tuple[View | None, ...]
"""One for each spatial axis of each input; None where the tensor does not depend on that input."""
Region = Mapping[int, range]
"""A region of a tensor: axis -> indices, for each axis that the region does not fill."""
Key = tuple[object, ...]
"""Two calls with the same key are the same layer."""


class Part(NamedTuple):
    """A tensor written into a region of another; its views have the axes of the whole, indexed within the region."""

    region: Region
    views: Views
    flow: Flow


class Picked(NamedTuple):
    """Places of a map that were selected or sliced and added, each with its own weight."""

    whole: Value
    gone: tuple[int, ...]
    """Its axes along which places were selected or summed, in order."""
    weights: Mapping[tuple[int, ...], float]
    """Index along the axes ``gone`` -> weight; NaN where it is not known."""
    left: Mapping[int, range] = {}
    """Other axes that were sliced -> the indices that are left."""
    is_bent: bool = False
    """Whether a nonlinear function was applied to the single places."""
    is_too_large: bool = False
    """Whether there are too many places to keep their weights, of which there are none then."""


class Path(NamedTuple):
    """The deepest chain of convolutions that leads to a tensor, last one first."""

    spatial: int
    total: int
    call: Call
    before: Path | None
    dilated: int = 0
    """The number of dilated places in the chain."""

    @property
    def is_dilated(self) -> bool:
        """Whether its last place is dilated: the call, or one in a parallel branch."""
        return self.dilated > (self.before.dilated if self.before else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A global pooling, or a linear layer after one, whose result reaches an output.

    That is: it was not only multiplied onto a map, as by a gate.
    """

    kind: str
    """"mean", "max" or "other" for a pooling; "linear"."""
    call: Call
    map: Value | None = None
    """The map that was pooled."""
    is_last: bool = True
    """Whether no map continues in parallel (one does if a pooled branch is concatenated with it)."""

    @property
    def left_out(self) -> list[int]:
        """The number of places that slices of the map left out, for each axis along which they did."""
        views = self.map.views if self.map else ()
        return [v.left_out for v in views if v is not None and v.left_out > 0]

    def inside(self) -> Head:
        """The same pooling, marked as that of a branch inside the network."""
        return replace(self, is_last=False) if self.is_last else self


class Flow(NamedTuple):
    """What a tensor inherits from the calls on the path to it."""

    origin: object = None
    """Tensors with the same origin are pointwise functions of one tensor (a hand-written activation or norm)."""
    depthwise: frozenset[Key] = frozenset()
    """Depthwise convolutions followed only by norms, activations, concatenation and permutes so far."""
    path: Path | None = None
    heads: frozenset[Head] = frozenset()
    context: bool = False
    """Whether a gate or an attention added global context."""
    map: Value | None = None
    """The latest map, with its own tensor axis for every spatial axis, that this tensor was computed from."""
    whole: Value | None = None
    """The map before pooling, while some of its spatial axes are pooled and others are not yet."""
    total: float = 0.0
    """Number of units of a global sum, over the constant it was divided by since; 0 where there is no sum."""
    poison: frozenset[str] = frozenset()
    """Why something on the path to this tensor is unknown."""
    scale: float = 1.0
    """Product of the constants that the elements were multiplied by before any sum."""
    picked: Picked | None = None
    """For selected or sliced places of a map: those added so far."""
    blended: str = ""
    """The operation after which it is not known which channels see which places, if they see different ones."""
    pieced: frozenset[tuple[int, str]] = frozenset()
    """Spatial axes along which pieces with different fields across them were put together, each with the operation
    after which it is not known which places are of which piece."""


class Lineage(NamedTuple):
    """What the elements of a tensor are functions of, whatever their places: equal for shifted copies of one map."""

    name: int
    """The same for the same functions of the same results of layers."""
    layers: frozenset[int]
    """The results of layers, and the inputs, that it is computed from without a further layer."""
    is_whole: bool = True
    """Whether it is not cut out of several maps that were put together, of which it may hold any."""
    may_be_shifted: bool = False
    """Whether a kernel that is not trained was applied, which may do nothing but shift a map."""
    of_neighbours: bool = False
    """Whether it may have neighbouring places of one map side by side along an axis that is not spatial."""
    root: int = 0
    """The name without the kernels that are not trained, which may be applied in any order."""


class Origin(NamedTuple):
    """The last step in the computation of a weight or a constant, and the tensors that it read."""

    step: Call | Content | tuple[object, ...]
    sources: Sequence[Value] = ()
    which: int = 0
    """The number of the result."""


@dataclass(slots=True, eq=False)
class Storage:
    """The lifetime of one piece of memory: bytes in float32, the call that made it, the last call that read it."""

    size_bytes: int
    born: int
    last: int
    is_auxiliary: bool = False
    int8_bytes: int = 0
    """Bytes where each real number takes one."""
    operands: tuple[Storage, ...] = ()
    """For the result of an elementwise operation: its operands of the same shape, whose memory it may reuse."""


@dataclass(slots=True, eq=False)
class Value:
    """What is known of one tensor at one operation."""

    shape: Shape
    views: Views
    flow: Flow
    storage: Storage | None
    index: int = 0
    """The call that made it."""
    params: frozenset[str] = frozenset()
    """The parameters that it was computed from, where no input was involved."""
    parts: tuple[Part, ...] = ()
    """The parts it was assembled from, if there are several."""
    fill: float | Callable[[], float | None] | None = None
    """For a constant with equal elements: their value; or a function that looks whether they are equal."""
    made_by: Call | None = None
    """The call that it is a result of."""
    lineage: Lineage | None = None
    """Of which layers' results it is made, once that was asked for."""
    origin: Origin | None = None
    """For a weight or a constant that was computed, or whose elements can be read: how."""
    recipe: str | None = None
    """The digest of its origin, once that was asked for."""

    @property
    def number(self) -> float | None:
        """For a constant with equal elements: their value; NaN where the elements cannot be read."""
        if callable(self.fill):
            self.fill = self.fill()
        return self.fill

    @property
    def depends(self) -> bool:
        """Whether it depends on an input of the model."""
        return self.flow.origin is not None

    @property
    def is_weight(self) -> bool:
        """Whether it existed before the run, registered or not, or was computed from parameters only."""
        return not self.depends and (self.storage is None or bool(self.params))

    @property
    def is_live(self) -> bool:
        """Whether it is still a map along some spatial axis."""
        return any(v is not None and v.is_live for v in self.views)

    @property
    def is_local(self) -> bool:
        """Whether it is live along some axis, and not only by the places within its patches."""
        return any(v is not None and v.is_local for v in self.views)


class Call:
    """One operation of the run: its arguments, and the findings of its rule."""

    label: str = ""
    params: int = 0
    macs: int = 0
    kernel: Shape = ()
    stride: Shape = ()
    dilation: Shape = ()
    groups: int = 1
    is_transposed: bool = False
    is_depthwise: bool = False
    out: Value | None = None
    pairs: frozenset[Key] = frozenset()
    """The depthwise layers that this pointwise one makes separable."""
    indices: Sequence[Sequence[int] | None] = ()
    """For an operation that picks or writes indices: the numbers of each input that is a constant of such."""

    def __init__(  # noqa: PLR0917  # positional for speed: one is made for every operation
        self,
        index: int,
        op: str,
        name: str,
        key: Key,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        names: Mapping[str, int],
        inputs: list[Value],
        shape: Shape = (),
    ) -> None:
        """``names`` gives the position of each argument in the operation's schema."""
        self.index = index
        self.op = op
        self.name = name
        self.key = key
        self.args = args
        self.kwargs = kwargs
        self.names = names
        self.inputs = inputs
        self.shape = shape
        self.tags: set[str] = set()
        self.parts: dict[int, tuple[Part, ...]] = {}
        """Number of a result -> the parts it was assembled from, if there are several."""

    def changed(self, **changes: Any) -> Call:
        """The same call with some attributes changed."""
        other = object.__new__(Call)
        vars(other).update(vars(self), **changes)
        return other

    def arg(self, name: str, default: Any = None) -> Any:
        """The argument of that name in the operation's schema."""
        if self.kwargs and name in self.kwargs:  # first, since it may override the positional one
            return self.kwargs[name]
        at = self.names.get(name)
        return self.args[at] if at is not None and at < len(self.args) else default

    @property
    def name_or_label(self) -> str:
        """The module's path; with the function's name if the module has submodules."""
        if "functional" not in self.tags:
            return self.name
        return f"{self.name}.{self.label}" if self.name else self.label

    @property
    def name_and_label(self) -> str:
        """For messages: which operation, and in which module."""
        return self.name_or_label if "functional" in self.tags else f"{self.label} in {self.name}"

    @property
    def is_conv(self) -> bool:
        """Whether it is a convolution, transposed ones included."""
        return self.op in CONVOLUTIONS

    @property
    def is_spatial(self) -> bool:
        """Whether its kernel is larger than 1 on some axis."""
        return max(self.kernel, default=1) > 1

    @property
    def is_strided(self) -> bool:
        """Whether it downsamples its map by a stride."""
        return not self.is_transposed and max(self.stride, default=1) > 1

    @property
    def is_dilated(self) -> bool:
        """Whether its dilation exceeds 1 on an axis on which its kernel does."""
        if max(self.dilation, default=1) == 1:
            return False
        return any(d > 1 and k > 1 for d, k in zip(self.dilation, self.kernel, strict=True))


def join_views(several: Iterable[Views]) -> Views:
    """The hull of aligned tensors, axis by axis."""
    rows = list(several)
    result = rows[0]
    for row in rows[1:]:
        result = tuple(joined(a, b) for a, b in zip(result, row, strict=True))
    return result
