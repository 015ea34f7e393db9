"""Each call of an operation that made a tensor, and how operations are handled; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from constraints.tracing.axes import Shape
from constraints.tracing.flows import Flow, Key
from constraints.tracing.values import Part, Value, Views

CONVOLUTIONS = ("convolution", "_convolution", "conv1d", "conv2d", "conv3d")
Result = tuple[Views, Flow]
"""What a rule says of the result of a call."""
Results = list[Result]
"""The same for an operation with several results."""


class Operation(NamedTuple):
    """How an operation of the dispatcher is handled."""

    rule: Callable[[Call], Any]
    label: str
    """The name that people know it by."""
    cost: Callable[[Call], None] | None = None
    """Of one that multiplies tensors: writes down its multiplications, whatever its operands come from."""
    apart: Callable[[Call], int] | None = None
    """Of one that may treat the indices of an axis each by itself: how many axes, the last ones, it mixes."""


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
