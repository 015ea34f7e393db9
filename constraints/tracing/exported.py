"""Tensors whose memory code outside of a run may write to, as where they were given to NumPy, and whether it did."""

from __future__ import annotations

from collections.abc import Iterator

import torch


class Exported:
    """The tensors whose values left a run."""

    def __init__(self) -> None:
        """Begin with none."""
        self._held: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Each with what it held."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._held)

    def add(self, tensor: torch.Tensor) -> None:
        """Note one whose values leave the run; without values nothing can be written from outside."""
        if not tensor.is_meta:
            with torch.utils._python_dispatch._disable_current_modes():
                self._held.append((tensor, tensor.detach().clone()))

    def look_again(self) -> None:
        """Take what they hold now for what an operation of the run wrote."""
        self._held = [(t, t.detach().clone()) for t, _ in self._held]

    def changed(self) -> Iterator[torch.Tensor]:
        """Those that hold something else than before, each once."""
        for at, (tensor, before) in enumerate(self._held):
            now = tensor.detach()
            if now.shape != before.shape or not torch.equal(now.nan_to_num(), before.nan_to_num()):
                self._held[at] = (tensor, now.clone())
                yield tensor

    def values(self) -> list[torch.Tensor]:
        """All that they hold now."""
        return [t.detach().flatten().double() for t, _ in self._held]
