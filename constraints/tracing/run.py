"""The record of one run of a model: its operations, first to last, and which module was running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch

from constraints.tracing.axes import Shape
from constraints.tracing.handles import Handle
from constraints.tracing.index_numbers import Indices
from constraints.tracing.overloads import Operator


class Frame:
    """A module that is running."""

    __slots__ = ("calls", "is_leaf", "path")

    def __init__(self, path: str, is_leaf: bool) -> None:
        """Record a call of the module at ``path``."""
        self.path, self.is_leaf = path, is_leaf
        self.calls: dict[str, int] = {}
        """How often each operation was called so far, for code that reads the operations in order."""


Returned = Literal["", "read", "maybe"]
"""Whether a number was read from a tensor before this operation."""


class RecordedOperation(NamedTuple):
    """One recorded operation; its tensors are represented by handles."""

    operator: Operator
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    inputs: Sequence[Handle]
    outputs: Sequence[Handle]
    shapes: Sequence[Shape]
    """The shapes of the outputs, which an operation in place may change."""
    frame: Frame
    targets: Sequence[Handle] = ()
    """The outputs that existed before and were written to."""
    returned: Returned = ""
    """It is "read" if a number that was read before is an argument, "maybe" if one may be computed from such."""
    limits: bool = False
    """Whether one of its tensors, if that is a constant, is a mask that limits how far the places of a map see."""
    indices: Indices = ()
    """For an operation that picks or writes indices: the numbers of each tensor that it takes."""
    is_a_value: bool = False
    """For a truth value that is read: whether code may calculate with it, or read another element of the same tensor
    before."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The tensors that a model has after a run and that an operation of the run may have made."""

    buffers: Sequence[Handle] = ()
    attributes: Mapping[str, Sequence[Handle]] = field(default_factory=dict)
    """Attribute that holds tensors, also in lists and dicts, and that the code of some module reads -> those."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The record of one run of a model."""

    operations: Sequence[RecordedOperation]
    inputs: Sequence[Handle]
    outputs: Sequence[Handle]
    output: Shape
    """Shape of the first output, with batch axis; empty where there is none."""
    closed: Sequence[str] = ()
    """The types of outputs that cannot be opened."""
    numbers: str = ""
    """For outputs that are numbers or arrays: whether they were "read" from tensors or may be "computed" from such."""
    parameters: Mapping[str, torch.Tensor]
    """Every registered parameter once, by its first path."""
    weights: Sequence[Handle]
    """Handles of the parameters and buffers, used or not."""
    kept: Kept = field(default_factory=Kept)
    """The tensors that the model keeps for a later run."""
    uncounted: Mapping[str, str] = field(default_factory=dict)
    """Parameter, or module that stores parameters in another form -> why they cannot be counted."""
    unregistered: Mapping[str, int] = field(default_factory=dict)
    """Unregistered module (empty where its path is unknown) -> the number of its parameters that were used."""
