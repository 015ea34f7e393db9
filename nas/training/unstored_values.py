"""Values that a user's model keeps outside of its state_dict: they are neither averaged, stored nor exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

_OF_ANY_MODULE = frozenset(vars(nn.Module()))


def unstored_values(model: nn.Module) -> dict[str, Any]:
    """Copies of them by path: buffers that are not persistent, and the numbers and arrays of the user's own modules."""
    return dict(_values(model))


def changed_values(model: nn.Module, before: Mapping[str, Any]) -> list[str]:
    """The paths of those that have another value than ``before``."""
    now = unstored_values(model)
    return sorted(path for path, value in before.items() if path in now and not _is_same(value, now[path]))


def _values(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in model.named_modules():
        dot = f"{path}." if path else ""
        for name, value in module.named_buffers(recurse=False):
            if name in module._non_persistent_buffers_set:
                yield dot + name, value.detach().clone()
        if not type(module).__module__.startswith("torch."):
            for name, value in vars(module).items():
                if name not in _OF_ANY_MODULE and isinstance(value, (int, float, torch.Tensor, np.ndarray)):
                    yield dot + name, _copied(value)


def _copied(value: float | torch.Tensor | np.ndarray) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def _is_same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        is_nan = one.isnan() & other.isnan() if one.shape == other.shape else one
        return one.shape == other.shape and bool(((one == other) | is_nan).all())
    return bool(np.array_equal(one, other))
