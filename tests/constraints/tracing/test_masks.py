"""Masks of attention: those that limit how far places see, and those that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import trace
from constraints.tracing.masks import limits_reach, may_mask
from tests.constraints.written import Written

Attend = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Tokens as (1, places, channels), and which places see which, made one."""
AT = torch.arange(64)
NEAR = (AT[:, None] - AT).abs() < 4
NEVER = float("-inf")
MASKS: dict[str, tuple[torch.Tensor, bool]] = {
    "band": (NEAR, True),
    "blocks": (AT[:, None] // 8 == AT // 8, True),
    "itself": (AT[:, None] == AT, True),
    "causal": (AT[:, None] >= AT, False),
    "not itself": (AT[:, None] != AT, False),
    "padding": ((AT < 50).expand(64, 64), False),
    "all": (torch.ones(64, 64, dtype=torch.bool), False),
    "none": (torch.zeros(64, 64, dtype=torch.bool), True),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_limits_the_reach_where_no_place_sees_from_end_to_end(name: str) -> None:
    mask, limits = MASKS[name]
    found = limits_reach("masked_fill", (torch.zeros(1, 64, 64), ~mask, NEVER), {}, lambda t: True)
    assert (found, may_mask("masked_fill"), may_mask("relu")) == (limits, True, False)
    assert not limits_reach("masked_fill", (torch.zeros(1, 64, 64), ~mask, NEVER), {}, lambda t: False)


ATTENDED: dict[str, Attend] = {
    "fused": lambda t, see: F.scaled_dot_product_attention(t, t, t, attn_mask=see),
    "fused, scores": lambda t, see: F.scaled_dot_product_attention(t, t, t, attn_mask=scores(see)),
    "filled": lambda t, see: (t @ t.mT).masked_fill(~see, NEVER).softmax(-1) @ t,
    "added": lambda t, see: (t @ t.mT + scores(see)).softmax(-1) @ t,
    "subtracted": lambda t, see: (t @ t.mT - 1e9 * (~see).float()).softmax(-1) @ t,
    "multiplied": lambda t, see: ((t @ t.mT).softmax(-1) * see) @ t,
    "chosen": lambda t, see: torch.where(see, t @ t.mT, torch.tensor(NEVER)).softmax(-1) @ t,
    "summand": lambda t, see: torch.baddbmm(scores(see)[None], t, t.mT).softmax(-1) @ t,
}


def scores(see: torch.Tensor) -> torch.Tensor:
    return torch.zeros(64, 64).masked_fill(~see, NEVER)


@pytest.mark.parametrize("name", ATTENDED)
def test_a_masked_attention_of_limited_reach_is_unknown_and_a_global_one_is_left_aside(name: str) -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = m.stem(x)
        return torch.as_tensor(x + ATTENDED[name](x.flatten(2).mT, m.see).mT.reshape(x.shape))

    def traced(see: torch.Tensor) -> Any:
        return trace(Written(run, stem=nn.Conv2d(3, 4, 3, padding=1), see=see), (3, 8, 8))

    near, causal = traced(NEAR), traced(MASKS["causal"][0])
    assert near.metrics.receptive_field is None
    assert "a mask says which places see which" in near.unknown["receptive_field"]
    assert (causal.metrics.receptive_field, causal.metrics.global_context) == (3, True)


def test_a_learned_bias_is_no_mask() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        t = m.stem(x).flatten(2).mT
        return torch.as_tensor((t + (t @ t.mT + m.bias).softmax(-1) @ t).mT.reshape(1, 4, 8, 8))

    bias = nn.Parameter(scores(NEAR))
    found = trace(Written(run, stem=nn.Conv2d(3, 4, 3, padding=1), bias=bias), (3, 8, 8)).metrics
    assert (found.receptive_field, found.global_context) == (3, True)
