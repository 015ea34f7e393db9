"""Memory in place of results: of the shape, kind and layout that torch's own results have, or none at all."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from constraints.tracing.unfilled import RULES

A = torch.ops.aten
MAP = torch.rand(2, 4, 9, 7)
KERNEL, BIAS = torch.rand(6, 2, 3, 3), torch.rand(6)
CHANNELS = torch.rand(4)
CONV: list[Any] = [MAP, KERNEL, BIAS, [2, 1], [1, 2], [1, 3], 2]
NORM: list[Any] = [MAP, CHANNELS, CHANNELS, CHANNELS, CHANNELS, False, 0.1, 1e-5, False]

KNOWN: list[tuple[str, Any, list[Any]]] = [
    ("relu", A.relu.default, [MAP]),
    ("add", A.add.Tensor, [MAP, MAP]),
    ("mul", A.mul.Tensor, [MAP, 2]),
    ("conv2d", A.conv2d.default, CONV),
    ("conv2d", A.conv2d.default, [MAP, torch.rand(5, 4, 1, 1)]),
    ("batch_norm", A.batch_norm.default, NORM),
    ("max_pool2d_with_indices", A.max_pool2d_with_indices.default, [MAP, [3, 2], [2, 2], [1, 1]]),
    ("mm", A.mm.default, [torch.rand(3, 5), torch.rand(5, 2)]),
    ("bmm", A.bmm.default, [torch.rand(4, 3, 5), torch.rand(4, 5, 2)]),
    ("addmm", A.addmm.default, [torch.rand(2), torch.rand(3, 5), torch.rand(5, 2)]),
]


@pytest.mark.parametrize(("op", "func", "args"), KNOWN)
def test_it_is_what_torch_gives_but_for_its_values(op: str, func: Any, args: list[Any]) -> None:
    made, right = RULES[op](args, False), func(*args)
    pairs = zip(made, right, strict=True) if isinstance(right, tuple) else [(made, right)]
    for ours, theirs in pairs:
        assert (ours.shape, ours.dtype, ours.stride()) == (theirs.shape, theirs.dtype, theirs.stride())


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("relu", [MAP.half()]),
        ("relu", [MAP.transpose(2, 3)]),
        ("relu", [MAP.to("meta")]),
        ("add", [MAP, MAP[:, :1]]),  # of two shapes
        ("add", [MAP, MAP.double()]),
        ("conv2d", [MAP, KERNEL]),  # of other groups: torch refuses it
        ("conv2d", [MAP, torch.rand(5, 4, 11, 1)]),  # larger than the map
        ("conv2d", [MAP[0], torch.rand(5, 4, 1, 1)]),
        ("batch_norm", [*NORM[:5], True, *NORM[6:]]),
        ("max_pool2d_with_indices", [MAP, [3, 2], [2, 2], [2, 1]]),
        ("mm", [torch.rand(3, 5), torch.rand(4, 2)]),
        ("addmm", [torch.rand(3, 2), torch.rand(3, 5), torch.rand(5, 2)]),
    ],
)
def test_what_is_not_as_it_nearly_always_is_runs(op: str, args: list[Any]) -> None:
    assert RULES[op](args, False) is None


def test_what_is_written_in_place_is_what_was_given() -> None:
    assert RULES["add"]([MAP, 2], True) is MAP
    assert RULES["add"]([MAP, MAP.view_as(MAP)], True) is None  # both of one memory
