"""Tensors whose memory code outside the run may write to (after ``.numpy()``, for example), and whether it did."""

from __future__ import annotations

from collections.abc import Iterator

import torch


class Exported:
    """The tensors whose values left a run."""

    def __init__(self) -> None:
        """Begin with none."""
        self._held: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Each tensor with a copy of its values."""
        self.has_any = False

    def add(self, tensor: torch.Tensor) -> None:
        """Add a tensor whose values leave the run; a meta tensor has none that could be written from outside."""
        if not tensor.is_meta:
            with torch.utils._python_dispatch._disable_current_modes():
                self._held.append((tensor, tensor.detach().clone()))
            self.has_any = True

    def look_again(self) -> None:
        """Copy the current values again, after an operation of the run wrote to them."""
        self._held = [(t, t.detach().clone()) for t, _ in self._held]

    def changed(self) -> Iterator[torch.Tensor]:
        """The tensors whose values changed since the last copy, each reported once."""
        for at, (tensor, before) in enumerate(self._held):
            now = tensor.detach()
            if now.shape != before.shape or not torch.equal(now.nan_to_num(), before.nan_to_num()):
                self._held[at] = (tensor, now.clone())
                yield tensor

    def values(self) -> list[torch.Tensor]:
        """Their current values."""
        return [t.detach().flatten().double() for t, _ in self._held]
