"""What attention sees: locally what its query sees, the whole map as global context, a window with its reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.metrics import Metrics
from constraints.tracer import trace
from tests.constraints.written import Written

Mix = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Queries, keys and values as (1, places, channels) made one."""


def _mixed(mix: Mix) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """A 3x3 convolution, attention with a shortcut, a 5x5 convolution."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = m.stem(x)
        q, k, v = m.qkv(x.flatten(2).mT).chunk(3, -1)
        return torch.as_tensor(m.tail(x + mix(q, k, v).mT.reshape(x.shape)))

    return run


def figures(run: Callable[[Any, torch.Tensor], torch.Tensor], size: tuple[int, int] = (8, 8)) -> Metrics:
    torch.manual_seed(0)
    parts = {
        "stem": nn.Conv2d(3, 4, 3, padding=1),
        "qkv": nn.Linear(4, 12),
        "tail": nn.Conv2d(4, 4, 5, padding=2),
    }
    return trace(Written(run, **parts), (3, *size)).metrics


GLOBAL: dict[str, Mix] = {
    "fused": F.scaled_dot_product_attention,
    "softmax": lambda q, k, v: (q @ k.mT).softmax(-1) @ v,
    "not normalised": lambda q, k, v: q @ k.mT @ v,
    "columns": lambda q, k, v: (v.mT @ (k @ q.mT).softmax(-2)).mT,
    "einsum": lambda q, k, v: torch.einsum("bij,bjc->bic", torch.einsum("bic,bjc->bij", q, k).softmax(-1), v),
    "linear": lambda q, k, v: q.relu() @ (k.relu().mT @ v),
    "linear, normalised": lambda q, k, v: q @ (k.softmax(1).mT @ v) / (q @ k.sum(1, keepdim=True).mT),
    "channels": lambda q, k, v: ((q.mT @ k).softmax(-1) @ v.mT).mT,
    "additive": lambda q, k, v: (q[:, :, None] + k[:, None]).tanh().sum(-1).softmax(-1) @ v,
    "difference": lambda q, k, v: ((q @ k.mT).softmax(-1) - 0.5 * (k @ q.mT).softmax(-1)) @ v,
    "separable": lambda q, k, v: v.relu() * (q[..., :1].softmax(1) * k).sum(1, keepdim=True),
}


@pytest.mark.parametrize("name", GLOBAL)
@pytest.mark.parametrize("size", [(8, 8), (16, 8)])
def test_attention_over_the_map_sees_what_its_query_sees(name: str, size: tuple[int, int]) -> None:
    found = figures(_mixed(GLOBAL[name]), size)
    assert found.receptive_field_hw == (7, 7)  # 3 + (5 - 1)
    assert found.global_context is True


@pytest.mark.parametrize("dependent", [False, True])
def test_class_tokens_are_followed(dependent: bool) -> None:
    """One token in front of the places, a parameter or the mean of all, and none of it afterwards."""

    def mix(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        first = [t.mean(1, keepdim=True) if dependent else torch.ones(1, 1, 4) for t in (q, k, v)]
        q, k, v = (torch.cat([one, t], 1) for one, t in zip(first, (q, k, v), strict=True))
        bias = (q @ k.mT).clone()
        bias[:, 1:, 1:] += q[:, 1:, :1]  # of the places alone
        return (bias.softmax(-1) @ v)[:, 1:] + v[:, :1]

    found = figures(_mixed(mix))
    assert (found.receptive_field_hw, found.global_context) == ((7, 7), True)


def test_tokens_pooled_across_rows_are_the_whole_map_to_an_attention() -> None:
    def mix(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, F.avg_pool1d(k.mT, 3).mT, F.avg_pool1d(v.mT, 3).mT)

    found = figures(_mixed(mix))
    assert (found.receptive_field_hw, found.global_context) == ((7, 7), True)


def test_tokens_of_unknown_places_are_no_map() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = F.avg_pool1d(m.stem(x).flatten(2), 3)
        return y[..., :16].reshape(1, 4, 4, 4)

    torch.manual_seed(0)
    found = trace(Written(run, stem=nn.Conv2d(3, 4, 3, padding=1)), (3, 8, 8))
    assert found.metrics.receptive_field is None
    assert "a window over an axis that carries parts of several axes" in found.unknown["receptive_field"]
    assert any("avg_pool" in w for w in found.warnings)


def test_windows_with_a_halo_see_it() -> None:
    """Windows of 4 units, each with 2 units around: 8 units of 3 pixels see 10, and 4 more units by the last 5x5."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = m.stem(x)
        q, k, v = m.qkv(x.movedim(1, -1)).movedim(-1, 1).chunk(3, 1)
        q = q.reshape(4, 4, 4, 4, 4).permute(1, 3, 2, 4, 0).reshape(16, 16, 4)
        k, v = (F.pad(t, (2, 2, 2, 2)).unfold(2, 8, 4).unfold(3, 8, 4)[0] for t in (k, v))
        k, v = (t.permute(1, 2, 3, 4, 0).reshape(16, 64, 4) for t in (k, v))
        y = (q @ k.mT).softmax(-1) @ v
        return torch.as_tensor(m.tail(y.reshape(4, 4, 4, 4, 4).permute(4, 0, 2, 1, 3).reshape(x.shape)))

    found = figures(run, (16, 16))
    assert (found.receptive_field_hw, found.global_context) == ((14, 14), False)


def _in_patches(x: torch.Tensor) -> torch.Tensor:
    """(1, c, 2h, 2w) -> (places in a patch, patches, c)."""
    c, h, w = x.shape[1:]
    return x.reshape(c, h // 2, 2, w // 2, 2).permute(2, 4, 1, 3, 0).reshape(4, h * w // 4, c)


def _from_patches(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    c, h, w = x.shape[1:]
    return y.reshape(2, 2, h // 2, w // 2, c).permute(4, 2, 0, 3, 1).reshape(x.shape)


PATCHES: dict[str, Mix] = {
    **{k: GLOBAL[k] for k in ("fused", "softmax", "columns", "linear")},
    "separable": GLOBAL["separable"],
    "mean of each place": lambda q, k, v: v * k.mean(1, keepdim=True),
}


@pytest.mark.parametrize("name", PATCHES)
def test_attention_between_patches_sees_all_of_them(name: str) -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = m.stem(x)
        q, k, v = (_in_patches(t) for t in m.qkv(x.movedim(1, -1)).movedim(-1, 1).chunk(3, 1))
        return torch.as_tensor(m.tail(_from_patches(PATCHES[name](q, k, v), x)))

    found = figures(run)
    assert (found.receptive_field_hw, found.global_context) == ((7, 7), True)


@pytest.mark.parametrize("name", ["fused", "softmax", "columns"])
def test_windows_count_with_their_reach(name: str) -> None:
    """Four windows of 4 x 4: 4 units of 3 pixels see 6, and 4 more units by the last convolution."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = m.stem(x)
        c, h, w = x.shape[1:]
        cut = x.reshape(c, h // 4, 4, w // 4, 4).permute(1, 3, 2, 4, 0).reshape(-1, 16, c)
        y = GLOBAL[name](*m.qkv(cut).chunk(3, -1))
        return torch.as_tensor(m.tail(y.reshape(h // 4, w // 4, 4, 4, c).permute(4, 0, 2, 1, 3).reshape(x.shape)))

    found = figures(run, (16, 16))
    assert (found.receptive_field_hw, found.global_context) == ((10, 10), False)


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (3, 2), (5, 1)])
def test_neighbourhoods_count_with_their_reach_be_they_dilated(kernel: int, dilation: int) -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = m.stem(x)
        n, c, h, w = x.shape
        near = F.unfold(x, kernel, dilation, kernel // 2 * dilation).view(n, c, kernel**2, h * w)
        weights = (x.flatten(2)[:, :, None] * near).sum(1, keepdim=True).softmax(2)
        return torch.as_tensor(m.tail((weights * near).sum(2).view_as(x)))

    found = figures(run, (16, 16))  # 3x3, the neighbourhood, 5x5
    assert (found.receptive_field, found.global_context) == (3 + (kernel - 1) * dilation + 4, False)
