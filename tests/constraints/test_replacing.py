"""A module is replaced wherever a model keeps it, and everything is as before afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from constraints import check
from constraints.model_state import parts
from constraints.replacing import replace_module


class Pair(NamedTuple):
    """Two layers by name."""

    first: nn.Module
    second: nn.Module


class Keeps(nn.Module):
    """Runs the layers that a plain attribute holds."""

    def __init__(self, keep: Callable[[nn.Module, nn.Module], Any], *, registered: bool) -> None:
        super().__init__()
        a, b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        if registered:
            self.a, self.b = a, b
        self.kept = keep(a, b)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        for layer in parts(self).modules.values():
            if isinstance(layer, nn.Conv2d):
                image = layer(image)
        return image.mean((2, 3))


@pytest.mark.parametrize(
    "keep",
    [
        lambda a, b: [a, b],
        lambda a, b: (a, b),
        lambda a, b: {"first": a, "second": b},
        lambda a, b: [[a], {"second": (b,)}],
        Pair,
    ],
)
def test_it_is_replaced_and_back(keep: Callable[[nn.Module, nn.Module], Any]) -> None:
    model = Keeps(keep, registered=False)
    before, kept = list(parts(model).hidden.values()), model.kept
    made = nn.Identity()
    undo = replace_module(model, before[0], made)
    assert list(parts(model).hidden.values()) == [made, before[1]]
    assert type(model.kept) is type(kept)
    undo()
    assert list(parts(model).hidden.values()) == before
    assert model.kept is kept


@pytest.mark.parametrize("registered", [True, False])
def test_fixes_of_layers_in_a_plain_list(registered: bool) -> None:
    """Another dilation is seen although the list alone is run; what is not registered is said to be no parameter."""
    report = check(Keeps(lambda a, b: [a, b], registered=registered), require=["dilated_convs >= 1"])
    assert report.fix_all is not None
    assert "dilated_convs 1" in report.fix_all.text
    assert ("without those of kept.0, which the model does not register" in report.fix_all.text) is not registered
