"""The tensors of a run, also after they are freed, and the memory that they share; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from constraints.tracing.axes import Shape
    from constraints.tracing.calls import Operation
    from constraints.tracing.values import Call, Part, Value

MADE_OF_READ = "made of numbers that were read"
MADE_OF_NUMBERS = "made of numbers or of an array, which may be constants"
FROM_NOWHERE = "a tensor that no recorded operation made"


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
