"""Records of the tensors of a run, which outlive the tensors, and of the memory that they share; no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from constraints.tracing.axes import Shape
    from constraints.tracing.calls import Operation
    from constraints.tracing.content import Content
    from constraints.tracing.values import Call, Part, Value

MADE_OF_READ = "made of numbers that were read"
MADE_OF_NUMBERS = "made of numbers or of an array, which may be constants"
FROM_NOWHERE = "a tensor that no recorded operation made"


class Handle:
    """One tensor of a run, also after it is freed; ``value`` and the fields after it change during the run."""

    value: Value | None
    memory: Memory | None
    """The memory that it shares with other tensors; None where it shares none."""
    source: str = ""
    """For a tensor that no recorded operation made and that is not a constant: what is known of its origin."""
    number: float | Callable[[], float | None] | None = None
    """For a tensor made of one Python number: that number. For a buffer or another tensor that is not trained: a
    function that finds the number that all its elements are."""
    content: Content | None = None
    """For a tensor whose elements are there before the run, or that is made of numbers: what reads them."""
    tied: Handle | None = None
    """For a tensor that is not registered itself: the parameter or buffer whose memory it uses."""
    version: int = 0
    """Version of the memory for which ``value`` holds."""
    base: Handle | None = None
    """The tensor that it is a view of."""
    made: tuple[Call, Operation | None, int] | None = None
    """The call that made the view, its operation, and the number of this result."""
    bordered: Sequence[bool] = ()
    """For a kernel that is not a parameter itself: the axes on which all elements at an end are zero."""
    round: int = 0
    """For memory whose values were postponed: the round of postponing; the memory is filled when that round ends."""

    def __init__(
        self, run: HandleCopier, shape: Shape, itemsize: int, kind: str = "real", name: str | None = None
    ) -> None:
        """Make the record of a tensor of ``run``, as it is when first seen.

        ``itemsize`` is the bytes of an element in a float32 forward pass; ``kind`` is "real" (complex included),
        "integer" or "truth" (bool); ``name`` is a parameter's, empty for a buffer, None where it is not registered.
        """
        self.run = run
        self.shape = shape
        self.itemsize = itemsize
        self.kind = kind
        self.name = name
        self.value = None
        self.memory = None

    def __deepcopy__(self, memo: object) -> Handle | None:
        """A copied tensor gets a handle of its own."""
        return self.run.copied(self)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Not pickled: a tensor that is read back has no handle."""
        return type(None), ()


class HandleCopier(Protocol):
    """Gives copies of a run's tensors their handles."""

    def copied(self, handle: Handle) -> Handle | None:
        """The handle of a deep copy; None after the run."""


class Memory:
    """Memory that several tensors share: the root, of which all others are views, and the writes to it."""

    __slots__ = ("parts", "root", "version", "writes", "written")

    def __init__(self, root: Handle) -> None:
        """Begin with one tensor."""
        self.root = root
        self.version = 0
        """Number of writes so far."""
        self.parts: list[Part] = []
        """Parts written into the root since its value was last computed."""
        self.written: Value | None = None
        """The last value that was written."""
        self.writes: list[tuple[tuple[object, ...], Value]] = []
        """Places of the root -> the weights and constants written there since its value was last computed."""
