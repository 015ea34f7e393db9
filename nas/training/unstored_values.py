"""Values that a user's model keeps outside of its state_dict: they are neither averaged, stored nor exported."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

_OF_ANY_MODULE = frozenset(vars(nn.Module()))


def unstored_values(model: nn.Module) -> dict[str, Any]:
    """Copies of them by path: buffers that are not persistent, and the numbers and arrays of the user's own modules.

    Those that cannot be compared are left out: without values (on the device ``meta``), or of a kind that torch or
    their own class does not compare.
    """
    found = ((path, _copied(value)) for path, value in _values(model))
    return {path: value for path, value in found if _is_same(value, value)}


def changed_values(model: nn.Module, before: Mapping[str, Any]) -> list[str]:
    """The paths of those that have another value than ``before``."""
    now = unstored_values(model)
    return sorted(path for path, value in before.items() if path in now and _is_same(value, now[path]) is False)


def _values(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in model.named_modules():
        dot = f"{path}." if path else ""
        for name, value in module.named_buffers(recurse=False):
            if name in module._non_persistent_buffers_set:
                yield dot + name, value
        if not type(module).__module__.startswith("torch."):
            for name, value in vars(module).items():
                if name not in _OF_ANY_MODULE and isinstance(value, (int, float, torch.Tensor, np.ndarray)):
                    yield dot + name, value


def _copied(value: Any) -> Any:
    """A copy; None where there can be none."""
    try:
        return value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
    except Exception:  # of a class of the user's, or of a kind of tensor that torch cannot copy
        return None


def _is_same(one: Any, other: Any) -> bool | None:
    """Whether the values are the same, NaN and NaN too; None where they cannot be compared."""
    if one is None or other is None:
        return None
    if type(one) is not type(other):
        return False
    try:
        if isinstance(one, torch.Tensor):
            return _are_same(one, other)
        return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind in "fc"))
    except Exception:  # as above
        return None


def _are_same(one: torch.Tensor, other: torch.Tensor) -> bool | None:
    if one.shape != other.shape or one.layout != other.layout or one.dtype != other.dtype:
        return False
    if one.is_meta or other.is_meta:
        return None
    if one.is_quantized:
        return one.equal(other)
    if one.layout == torch.sparse_coo:
        one, other = one.coalesce(), other.coalesce()
        return _are_same(one.indices(), other.indices()) and _are_same(one.values(), other.values())
    if one.layout != torch.strided:
        return _are_same(one.to_sparse(), other.to_sparse())
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
