"""Tensors that hold elements of one map, and tensors of different maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracing.lineage import relation
from tests.constraints.tracing.known import known

Run = Callable[[Any, torch.Tensor], Any]
FIXED = torch.zeros(3, 3, 1, 2)
EDGE = torch.tensor([1.0, 3.0, -1.0]).expand(3, 1, 3, 3).contiguous()
BLUR = torch.tensor([1.0, 2.0, 1.0]).expand(3, 1, 3, 3).contiguous()
BLUR_BESIDE = F.pad(BLUR, (2, 0))
"""The same, two columns later."""


def kept(kernel: torch.Tensor) -> nn.Parameter:
    """A kernel of the model that is not trained."""
    return nn.Parameter(kernel, requires_grad=False)


def related(run: Run) -> str:
    """How the two outputs of a network are related."""
    parts = {"a": nn.Conv2d(3, 3, 3, padding=1), "b": nn.Conv2d(3, 3, 3, padding=1), "line": nn.Linear(3, 3)}
    one, other = known(run, **parts, norm=nn.BatchNorm2d(3), kept=kept(FIXED), blur=kept(BLUR), edge=kept(EDGE)).outputs
    return relation(one, other)


def filtered(x: torch.Tensor, m: Any, *names: str) -> torch.Tensor:
    """Kernels of single channels applied one after the other, which gives the same in any order."""
    for name in names:
        x = F.conv2d(x, getattr(m, name), groups=3, padding=1)
    return x


def beside(run: Callable[[torch.Tensor], Any]) -> Run:
    """A function of a map, and of the same map moved by one column."""
    return lambda m, x: (run(m.a(x)), run(m.a(x).roll(1, 3)))


def written(m: Any, x: torch.Tensor) -> Any:
    """A map of which a column is written over, and the map before."""
    y, z = m.a(x), m.a(x).clone()
    z[..., 0] = m.b(x)[..., 0]
    return y, z


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: (x[..., 1:], x[..., :-1]),
        beside(lambda y: y),
        beside(lambda y: y.relu()),
        beside(lambda y: y.mean(1, keepdim=True)),
        beside(lambda y: F.max_pool2d(y, 2)),
        beside(lambda y: y + y.sigmoid()),
        beside(lambda y: F.conv2d(y, FIXED)),
        beside(lambda y: F.conv2d(y, BLUR, groups=3)),
        lambda m, x: (m.a(x), m.norm(m.a(x)).relu()),  # which of several functions was applied is left aside
        lambda m, x: (m.a(F.pad(x, (0, 1, 0, 0))), m.a(F.pad(x, (1, 0, 0, 0)))),  # one layer on both
        lambda m, x: (m.b(m.a(x)), m.b(m.a(x))[..., 1:]),
        lambda m, x: (m.line(x.movedim(1, 3)), m.line(x.roll(1, 2).movedim(1, 3))),
        lambda m, x: (m.a(x).unbind(2)[3], m.a(x)[:, :, 1]),
        lambda m, x: (torch.cat([m.a(x), m.b(x)], 1), torch.cat([m.a(x), m.b(x)], 1).roll(1, 3)),
    ],
)
def test_elements_of_one_map(run: Run) -> None:
    assert related(run) == "same"


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: (m.a(x), m.b(x)),
        lambda m, x: (m.a(x), m.b(x.roll(1, 3)).relu()),
        lambda m, x: (m.a(x), m.b(m.a(x))),
        lambda m, x: (x, m.a(x)),
        lambda m, x: (m.a(x).movedim(1, 3), m.line(m.a(x).movedim(1, 3))),
        lambda m, x: (F.conv2d(x, m.a.weight), F.conv2d(x, m.a.weight, dilation=2)),  # other taps, as in a trident
    ],
)
def test_results_of_different_layers(run: Run) -> None:
    assert related(run) == "different"


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: (m.a(x), m.a(x) + m.b(x)),
        lambda m, x: (m.a(x).mean(1), m.a(x).amax(1)),
        lambda m, x: (m.a(x), F.conv2d(m.a(x), FIXED)),  # which may be a shift
        lambda m, x: (F.conv2d(x, m.kept), F.conv2d(x, FIXED)),
        lambda m, x: (F.conv2d(x, BLUR, groups=3), F.conv2d(x, BLUR_BESIDE, groups=3)),
        lambda m, x: (F.max_pool2d(m.a(x), 2), F.max_pool2d(m.a(x), 2, 1)),
        lambda m, x: torch.cat([m.a(x), m.b(x)], 1).chunk(2, 1),  # of which map each is, is not distinguished
        written,
        lambda m, x: (filtered(x, m, "blur", "edge"), filtered(x, m, "edge", "blur")),
        lambda m, x: (m.a(filtered(x, m, "blur", "edge")), m.a(filtered(x, m, "edge", "blur"))),
        lambda m, x: (m.b(m.a(filtered(x, m, "blur")).relu()), m.b(m.a(filtered(x, m, "edge")).relu())),
        lambda m, x: (m.a(F.avg_pool2d(x, 3, 1, 1)), F.avg_pool2d(m.a(x), 3, 1, 1)),
    ],
)
def test_where_it_is_not_clear_whether_they_are_of_one_map(run: Run) -> None:
    assert related(run) == "unclear"


def test_a_long_chain_takes_no_deep_recursion() -> None:
    def deep(m: Any, x: torch.Tensor) -> Any:
        y = x
        for _ in range(1500):
            y = y + 1
        return y, x

    assert related(deep) == "same"
