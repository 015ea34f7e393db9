"""Keep the values of tensors from outside a run before the run writes to them, and restore them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch

from constraints.tracing.registry import Registry, memory_of


class Overwritten:
    """The tensors from outside that a run used, and the overwritten values of these and of registered ones."""

    def __init__(self, registry: Registry) -> None:
        """Begin with the tensors of a model's modules."""
        self.outside: list[torch.Tensor] = []
        """Tensors that existed before the run, other than registered ones."""
        self._registry = registry
        self._before: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        self._places: dict[int, list[torch.Tensor]] = {}
        """Memory address -> the tensors from outside at it, of the first ``_placed``."""
        self._placed = 0

    def keep(self, args: Iterable[Any], kwargs: Mapping[str, Any] | None) -> None:
        """Keep the values of tensors that outlive the run before an operation writes to them, through a view too."""
        for tensor in self.outside[self._placed :]:
            if place := memory_of(tensor):
                self._places.setdefault(place, []).append(tensor)
        self._placed = len(self.outside)
        for tensor in (*tensors_among(args), *tensors_among(kwargs.values() if kwargs else ())):
            place = memory_of(tensor)
            there: Sequence[torch.Tensor] = [*self._registry.memories.get(place, ()), *self._places.get(place, ())]
            if there and place not in self._before:
                self._before[place] = [(t, t.detach().clone()) for t in there]

    def has(self, tensor: torch.Tensor) -> bool:
        """Whether the run has written to the memory of a tensor that existed before."""
        return bool(self._before) and memory_of(tensor) in self._before

    def restore(self) -> None:
        """Write back what the run overwrote."""
        with torch.no_grad():
            for tensor, before in chain.from_iterable(self._before.values()):
                tensor.copy_(before)


def tensors_among(values: Any) -> list[torch.Tensor]:
    """The tensors among values and in the lists among them."""
    found: list[torch.Tensor] = []
    for a in values if isinstance(values, Iterable) else ():
        if isinstance(a, torch.Tensor):
            found.append(a)
        elif isinstance(a, (list, tuple)) and a and not isinstance(a[0], int):
            found += [t for t in a if isinstance(t, torch.Tensor)]
    return found
