"""The memory that a network needs, from the tensors of a run and its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch

from constraints.tracing.values import Storage

INT8_BYTES, INT32_BYTES, FLOAT16_BYTES, FLOAT32_BYTES = 1, 4, 2, 4


def peak_bytes(storages: Iterable[Storage], end: int) -> int:
    """The largest sum of tensors alive at once, in float32 whatever the model's precision.

    A tensor lives from the operation that makes it to the last one that reads it (an output to the end), both
    included: an operation holds its inputs and its output together. Views and in-place operations take no
    memory; not counted are weights, what is computed from weights only, and results that nothing reads (the indices
    of a max pooling). So in a chain the peak is the largest input + output of one out-of-place operation.
    """
    return _peak([(s.size_bytes, s.born, s.last) for s in storages if s.last != s.born or not s.is_auxiliary], end)


def peak_int8_bytes(storages: Iterable[Storage], end: int) -> int:
    """As ``peak_bytes``, with one byte for each real number."""
    return _peak([(s.int8_bytes, s.born, s.last) for s in storages if s.last != s.born or not s.is_auxiliary], end)


def ram_bytes(storages: Sequence[Storage], end: int) -> int:
    """As ``peak_int8_bytes``, with elementwise operations in place.

    The result reuses the memory of the first operand of its shape that nothing reads afterwards: the operand's life
    ends where that of the result begins (Liberis et al., *uNAS*, arXiv 2010.14246, do so for sums).
    """
    last = {id(s): s.last for s in storages}
    for s in storages:
        for o in s.operands:
            if o is not s and last[id(o)] == s.born > o.born:
                last[id(o)] = s.born - 1
                break
    counted = [s for s in storages if s.last != s.born or not s.is_auxiliary]
    return _peak([(s.int8_bytes, s.born, last[id(s)]) for s in counted], end)


def weight_bytes_int8(parameters: Iterable[torch.Tensor]) -> int:
    """Bytes of the weights: one per element of kernels and matrices, four per element of parameters with fewer axes."""
    return sum(p.numel() * (INT8_BYTES if p.dim() > 1 else INT32_BYTES) for p in parameters)


def _peak(lives: Iterable[tuple[int, int, int]], end: int) -> int:
    """The largest sum of (size, first call, last call) that overlap."""
    change = [0] * (end + 2)
    for size, born, last in lives:
        change[born] += size
        change[last + 1] -= size
    return max(accumulate(change))
