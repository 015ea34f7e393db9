"""What a model keeps outside of its state_dict, and which of it a forward pass changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from nas.training.unstored_values import changed_values, unstored_values


class Keeping(nn.Module):
    """A model with values of every kind, some of which its forward pass changes."""

    scale: torch.Tensor
    stored: torch.Tensor
    last: torch.Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.inner = nn.BatchNorm1d(2), nn.Sequential(nn.ReLU())
        self.register_buffer("scale", torch.tensor([1.0, torch.nan]), persistent=False)
        self.register_buffer("stored", torch.zeros(1))
        self.calls, self.table, self.name, self.last = 0, np.zeros(2), "a", None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.table += 1
        self.scale = self.scale * 2
        self.stored += 1
        self.last = x
        return self.layer(x)  # type: ignore[no-any-return]


def test_what_a_forward_pass_changes_outside_of_the_state_dict_is_found() -> None:
    model = nn.Sequential(Keeping())
    before = unstored_values(model)

    assert sorted(before) == ["0.calls", "0.scale", "0.table"]
    assert changed_values(model, before) == []
    model(torch.ones(3, 2))
    assert changed_values(model, before) == ["0.calls", "0.scale", "0.table"]
    assert before["0.calls"] == 0  # copies
    assert not before["0.table"].any()


class Uncomparable(torch.Tensor):
    """A tensor whose class takes part in no function of torch."""

    @classmethod
    def __torch_function__(cls, *_: object) -> object:
        raise NotImplementedError


def changed(first: object, second: object) -> list[str]:
    model = Keeping()
    model.kept = first  # type: ignore[assignment]
    before = unstored_values(model)
    model.kept = second  # type: ignore[assignment]
    return changed_values(model, before)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: float("nan") if n == 1 else n,
        lambda n: np.array([float("nan"), n]),
        lambda n: np.array(["a", n], dtype=object),
        lambda n: torch.tensor([float("nan"), n]),
        lambda n: (n * torch.eye(3)).to_sparse(),
        lambda n: (n * torch.eye(3)).to_sparse_csr(),
        lambda n: (n * torch.eye(4)).to_sparse_bsr((2, 2)),
        lambda n: torch.quantize_per_tensor(torch.tensor([n, 2 * n]), 0.1, 0, torch.qint8),
        lambda n: torch.tensor([1 + n * 1j]),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_values_of_every_kind_are_compared_and_nan_is_nan(make: Callable[[float], object]) -> None:
    assert changed(make(1.0), make(1.0)) == []
    assert changed(make(1.0), make(2.0)) == ["kept"]


@pytest.mark.parametrize("value", [torch.empty(2, device="meta"), torch.ones(2).as_subclass(Uncomparable)])
def test_what_cannot_be_compared_is_left_out(value: object) -> None:
    assert changed(value, value) == []
    assert changed(value, 1.0) == []
