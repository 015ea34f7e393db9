"""What is known of each tensor of a traced run, and of each call that made one; no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from constraints.tracing.axes import Shape, View, joined

Views = tuple[View | None, ...]
"""One for each spatial axis of each input; None where the tensor does not depend on that input."""
MADE_OF_READ = "made of numbers that were read"
MADE_OF_NUMBERS = "made of numbers or of an array, which may be constants"
FROM_NOWHERE = "a tensor that no recorded operation made"
CONVOLUTIONS = ("convolution", "_convolution", "conv1d", "conv2d", "conv3d")
Key = tuple[object, ...]
"""What makes two calls the same layer."""


Region = Mapping[int, range]
"""A part of a tensor: the indices along each axis that it does not fill."""


class Part(NamedTuple):
    """A tensor laid into a part of another: its views have the axes of the whole, and count along them within it."""

    region: Region
    views: Views
    flow: Flow


class Path(NamedTuple):
    """The deepest chain of convolutions that leads to a tensor, last one first."""

    spatial: int
    total: int
    call: Call
    before: Path | None
    dilated: int = 0
    """How many places of the chain are dilated."""

    @property
    def is_dilated(self) -> bool:
        """Whether its last place is: the call, or one of a branch beside it."""
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
    """Whether no map continues beside it (one does where a branch is pooled and concatenated)."""

    def inside(self) -> Head:
        """The same pooling, of a branch inside the network."""
        return replace(self, is_last=False) if self.is_last else self


class Flow(NamedTuple):
    """What a tensor inherits from the calls that led to it."""

    origin: object = None
    """Tensors of one origin are pointwise functions of one tensor (an activation written out, a norm by hand)."""
    depthwise: frozenset[Key] = frozenset()
    """Depthwise convolutions that nothing but norms, activations, concatenation and permutes followed."""
    path: Path | None = None
    heads: frozenset[Head] = frozenset()
    context: bool = False
    """Whether a gate or an attention brought in the whole map."""
    map: Value | None = None
    """The latest map with every spatial axis on a tensor axis of its own that this one was computed from."""
    whole: Value | None = None
    """The map of which some spatial axes have been pooled and others not yet."""
    total: int = 0
    """Over how many units a global sum was taken that is not divided yet."""
    poison: frozenset[str] = frozenset()
    """Why what led here cannot be known."""


@dataclass(slots=True, eq=False)
class Storage:
    """The life of one piece of memory: bytes in float32, the call that made it, the last call that read it."""

    size_bytes: int
    born: int
    last: int
    is_auxiliary: bool = False
    int8_bytes: int = 0
    """Bytes where each real number takes one."""
    operands: tuple[Storage, ...] = ()
    """Of the result of an elementwise operation: its operands of the same shape, which it may be written over."""


class Handle:
    """One tensor of a run, also after it is freed; ``value`` and what is named after it change step by step."""

    value: Value | None
    memory: Memory | None
    """What it shares its memory with; None where nothing else does."""
    source: str = ""
    """Of a tensor that no recorded operation made and that is no constant either: what is known of it."""
    number: float | None = None
    """Of a tensor of one number of Python's: that number."""
    tied: Handle | None = None
    """The parameter or buffer whose memory it is, which is not registered itself."""
    version: int = 0
    """Of the memory, when ``value`` was right."""
    base: Handle | None = None
    """The tensor that it is a view of."""
    made: tuple[Call, Operation | None, int] | None = None
    """The call that made the view, its rule, and which of its results this is."""
    bordered: Sequence[bool] = ()
    """Of a kernel that is no parameter itself: on which of its axes all that is at an end is zero."""
    round: int = 0
    """Of memory whose values were put off: the round in which that was; it holds them once that is over."""

    def __init__(self, run: Recorder, shape: Shape, itemsize: int, kind: str = "real", name: str | None = None) -> None:
        """Begin with a tensor of ``run``, as it was when it was first seen.

        ``itemsize`` is bytes of an element in a float32 forward pass; ``kind`` of its elements is "real" (or complex),
        "integer" or "truth"; ``name`` is that of a parameter, empty for a buffer, None where it is not registered.
        """
        self.run = run
        self.shape = shape
        self.itemsize = itemsize
        self.kind = kind
        self.name = name
        self.value = None
        self.memory = None

    def __deepcopy__(self, memo: object) -> Handle | None:
        """A tensor that is copied is a tensor of its own."""
        return self.run.copied(self)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """What goes out as bytes says no more what it was."""
        return type(None), ()


class Recorder(Protocol):
    """What wrote a run down."""

    def copied(self, handle: Handle) -> Handle | None:
        """The handle of a deep copy; None after the run."""


class Memory:
    """Memory that several tensors share: the tensor that all others are views of, and what was written where."""

    __slots__ = ("parts", "root", "version", "written")

    def __init__(self, root: Handle) -> None:
        """Begin with one tensor."""
        self.root = root
        self.version = 0
        """How often it was written to."""
        self.parts: list[Part] = []
        """What was laid into the root since its value was last worked out."""
        self.written: Value | None = None
        """The last value that was written."""


class Operation(NamedTuple):
    """How an operation of the dispatcher is handled."""

    rule: Callable[[Call], Any]
    label: str
    """The name that people know it by."""
    cost: Callable[[Call], None] | None = None
    """Of one that multiplies tensors: writes down its multiplications, whatever its operands come from."""
    apart: Callable[[Call], int] | None = None
    """Of one that may treat the indices of an axis each by itself: how many axes, the last ones, it mixes."""


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


Result = tuple[Views, Flow]
"""What a rule says of the result of a call."""
Results = list[Result]
"""The same for an operation with several results."""


class Call:
    """One operation of the run: what it was called with, and what its rule found out."""

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

    def __init__(  # noqa: PLR0917  # one is made for every operation that runs
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
        """Begin with what was called; ``names`` gives the place of each argument in the operation's schema."""
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
        """Result -> what it was put together of, where that was several tensors."""

    def but(self, **changes: Any) -> Call:
        """The same call with other values."""
        other = object.__new__(Call)
        vars(other).update(vars(self), **changes)
        return other

    def arg(self, name: str, default: Any = None) -> Any:
        """The argument of that name in the operation's schema."""
        if self.kwargs and name in self.kwargs:  # first, as one may stand in for that of the call
            return self.kwargs[name]
        at = self.names.get(name)
        return self.args[at] if at is not None and at < len(self.args) else default

    @property
    def name_or_label(self) -> str:
        """The module's path; the function's name behind it where the module has parts of its own."""
        if "functional" not in self.tags:
            return self.name
        return f"{self.name}.{self.label}" if self.name else self.label

    @property
    def name_and_label(self) -> str:
        """For a reason: which operation, and in which module."""
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
        """Whether it makes its map smaller by a stride."""
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


def merge_flows(flows: list[Flow]) -> Flow:
    """What a tensor inherits that several tensors were joined into."""
    if len(flows) == 1:
        return flows[0]
    paths = [f.path for f in flows if f.path is not None]
    maps = [f.map for f in flows if f.map is not None]
    return Flow(
        origin=object(),
        path=_side_by_side(paths),
        heads=frozenset().union(*[f.heads for f in flows]),
        context=any(f.context for f in flows),
        map=max(maps, key=lambda m: m.index, default=None),
        poison=frozenset().union(*[f.poison for f in flows]),
    )


def _side_by_side(paths: Sequence[Path]) -> Path | None:
    """The deepest of chains that are joined; where a shorter one is dilated, counted from the end, so is its place."""
    deepest = max(paths, key=lambda p: p[:2], default=None)
    for other in paths:
        if deepest is not None and other is not deepest and other.dilated:
            deepest = _dilated_beside(deepest, other)
    return deepest


def _dilated_beside(main: Path, other: Path) -> Path:
    """The main chain, dilated also where the other one is, as far as the two are apart."""
    own, beside = _apart(main, other)
    before = own[0].before if own else main
    theirs = [False] * max(0, len(own) - len(beside)) + [p.is_dilated for p in beside[-len(own) :]]
    is_dilated = [node.is_dilated or also for node, also in zip(own, theirs, strict=False)]
    if is_dilated == [node.is_dilated for node in own]:
        return main
    for node, dilated in zip(own, is_dilated, strict=True):
        before = Path(node.spatial, node.total, node.call, before, (before.dilated if before else 0) + dilated)
    assert before is not None
    return before


def _apart(one: Path, other: Path) -> tuple[list[Path], list[Path]]:
    """The places of two chains behind their fork, first to last."""
    left: list[Path] = []
    right: list[Path] = []
    a: Path | None = one
    b: Path | None = other
    while a is not None or b is not None:
        if a is not None and b is not None and a.call is b.call and a.total == b.total:
            break
        if b is None or (a is not None and a.total >= b.total):
            assert a is not None
            left.append(a)
            a = a.before
        else:
            right.append(b)
            b = b.before
    return left[::-1], right[::-1]


def fresh(flow: Flow, **changes: Any) -> Flow:
    """A flow that goes through an operation that is neither pointwise nor a permutation."""
    kept = Flow(object(), frozenset(), flow.path, flow.heads, flow.context, flow.map, None, 0, flow.poison)
    return kept._replace(**changes) if changes else kept
