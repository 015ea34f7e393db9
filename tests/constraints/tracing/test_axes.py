"""The interval calculus against explicit sets of pixels."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import HealthCheck, given, settings

from tests.constraints.tracing.seen import Tensor, tensors


def hulls(tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last pixel in each mask; ``(inf, -inf)`` where it is empty."""
    pixels = tensor.mask[..., :-1]
    some, last = pixels.any(-1), pixels.shape[-1] - 1
    low = np.where(some, pixels.argmax(-1), math.inf)
    return low, np.where(some, last - pixels[..., ::-1].argmax(-1), -math.inf)


def claimed(tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """What the view says: an element sees ``field.at(sum of digit * stride)``."""
    at = np.zeros(tensor.shape, dtype=int)
    for d in tensor.view.digits:
        at += (np.indices(tensor.shape)[d.axis] - d.offset) // d.inner % d.size * d.stride
    seen = np.array([tensor.view.field.at(int(i)) for i in at.flat], dtype=float).reshape(*tensor.shape, 2)
    return seen[..., 0], seen[..., 1]


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tensors())
def test_intervals_are_the_hulls_of_the_pixels_seen(tensor: Tensor) -> None:
    (low, high), (first, last) = hulls(tensor), claimed(tensor)
    inside = ~tensor.mask[..., -1] & (low <= high)
    assert (low[inside] == first[inside]).all()
    assert (high[inside] == last[inside]).all()
    assert (low >= first).all()
    assert (high <= last).all()
