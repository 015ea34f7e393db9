"""What a tensor has to say of its elements, without reading them more than once; no torch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Content(Protocol):
    """The elements of a tensor that existed before the run, or that is made of numbers."""

    @property
    def is_older(self) -> bool:
        """Whether the tensor existed before the run."""

    def digest(self) -> str:
        """The same for tensors with the same elements in the same order, whatever their shape."""
