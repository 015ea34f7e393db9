"""The numbers by which an operation picks or writes indices of a tensor, read as the operation runs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from constraints.tracing.overwritten import tensors_among
from constraints.tracing.registry import is_readable

_MOST = 1 << 12
_INTEGERS = (torch.int64, torch.int32)
_TAKING = """
    index index_select index_put _index_put_impl index_copy index_add index_fill
"""
TAKING = frozenset(_TAKING.split())
"""Operations that take such numbers."""
_listed = torch._C.TensorBase.tolist  # the original, not the watched one

Indices = Sequence[Sequence[int] | None]
"""For each tensor that an operation takes: its numbers; None where it has none."""


def indices_among(arguments: Sequence[object]) -> Indices:
    """Whole numbers along one axis, also as the places at which a mask along one axis holds."""
    return [_numbers(tensor) for tensor in tensors_among(arguments)]


def _numbers(tensor: torch.Tensor) -> Sequence[int] | None:
    if tensor.dim() != 1 or tensor.numel() > _MOST or not is_readable(tensor):
        return None
    if tensor.dtype is torch.bool:
        tensor = tensor.nonzero()[:, 0]
    found: list[int] | None = _listed(tensor) if tensor.dtype in _INTEGERS else None
    return found
