"""torch's own classes are the reference: with the same gradients the same weights, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nas.training import uncompiled

Make = Callable[..., torch.optim.Optimizer]
KINDS: list[tuple[Make, Make, dict[str, Any]]] = [
    (uncompiled.SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (uncompiled.SGD, torch.optim.SGD, {"momentum": 0.0}),
    (uncompiled.Adam, torch.optim.Adam, {"capturable": False}),
    (uncompiled.AdamW, torch.optim.AdamW, {"capturable": True}),
]


def weights() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(3, 4, requires_grad=True), torch.randn(5, requires_grad=True)]


def step(optimiser: torch.optim.Optimizer, tensors: list[torch.Tensor], number: int) -> None:
    torch.manual_seed(number)
    for tensor in tensors:
        tensor.grad = torch.randn_like(tensor)
    optimiser.param_groups[0]["lr"] = 0.1 / number
    optimiser.step()


@pytest.mark.parametrize(("own", "reference", "options"), KINDS)
def test_steps_and_states_are_torch_s(own: Make, reference: Make, options: dict[str, Any]) -> None:
    """A checkpoint that torch's class wrote is resumed too, and the other way round."""
    left, right = weights(), weights()
    mine, torchs = (
        make([*each], lr=0.1, weight_decay=0.01, fused=True, **options)
        for make, each in ((own, left), (reference, right))
    )
    for number in (1, 2, 3):
        step(mine, left, number)
        step(torchs, right, number)
    resumed, back = own([*right], fused=True, **options), reference([*left], fused=True, **options)
    resumed.load_state_dict(torchs.state_dict())
    back.load_state_dict(mine.state_dict())
    step(resumed, right, 4)
    step(back, left, 4)
    assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))
    assert str(resumed.state_dict()) == str(back.state_dict())


def test_a_step_is_not_differentiated_and_gradients_are_dropped() -> None:
    tensors = weights()
    optimiser = uncompiled.SGD(tensors, lr=0.1)
    step(optimiser, tensors, 1)
    assert all(tensor.is_leaf and tensor.requires_grad for tensor in tensors)
    optimiser.zero_grad()
    assert all(tensor.grad is None for tensor in tensors)
