"""Muon in batches against torch's, and against the polynomial that it applies to singular values."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nas.training.muon import Muon, orthogonal

SHAPES = [(4, 6), (6, 4), (4, 6), (3, 3), (9, 2)]
OPTIONS: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}


def matrices() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]


def step(optimiser: torch.optim.Optimizer, several: list[torch.nn.Parameter], number: int) -> None:
    torch.manual_seed(number)
    for matrix in several:
        matrix.grad = torch.randn_like(matrix)
    several[2].grad = None if number == 1 else several[2].grad
    optimiser.step()


def test_steps_are_torch_s_up_to_its_bfloat16() -> None:
    left, right = matrices(), matrices()
    mine, torchs = Muon(left, **OPTIONS), torch.optim.Muon(right, **OPTIONS)
    for number in (1, 2):
        step(mine, left, number)
        step(torchs, right, number)
    # Singular values are about 1, so that no entry of a step is above lr * sqrt(9 / 2) * 1.5; bfloat16 has 8 bits.
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, atol=0.02, rtol=0)


def test_states_are_torch_s_both_ways() -> None:
    left, right = matrices(), matrices()
    mine, torchs = Muon(left, **OPTIONS), torch.optim.Muon(right, **OPTIONS)
    step(mine, left, 2)
    step(torchs, right, 2)
    assert str(mine.state_dict()) == str(torchs.state_dict())
    mine.load_state_dict(torchs.state_dict())
    torchs.load_state_dict(mine.state_dict())


@pytest.mark.parametrize("steps", [1, 5])
def test_each_singular_value_goes_through_the_polynomial(steps: int) -> None:
    """x -> a x + b x^3 + c x^5, on singular values divided by the matrix's Frobenius norm; in float64 by hand."""
    torch.manual_seed(0)
    several = torch.randn(2, 3, 5)
    found = orthogonal(several, {"ns_coefficients": (3.4445, -4.775, 2.0315), "ns_steps": steps, "eps": 1e-7})
    for matrix, result in zip(several.double(), found, strict=True):
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        values = values / values.square().sum().sqrt()
        for _ in range(steps):
            values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
        torch.testing.assert_close(result.double(), left @ values.diag() @ right, atol=1e-5, rtol=0)


def test_a_gradient_of_zeros_moves_nothing() -> None:
    matrix = torch.nn.Parameter(torch.ones(2, 3))
    matrix.grad = torch.zeros(2, 3)
    Muon([matrix], lr=0.1, weight_decay=0.0).step()
    assert torch.equal(matrix, torch.ones(2, 3))
