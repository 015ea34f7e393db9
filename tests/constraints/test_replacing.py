"""A module is replaced wherever a model keeps it, and everything is as before afterwards."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from types import MappingProxyType
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


class Checked(Pair):
    """Its constructor takes other arguments than it has fields."""

    def __new__(cls, both: tuple[nn.Module, nn.Module]) -> Checked:
        return super().__new__(cls, *both)


class Once(dict[str, Any]):
    """Takes each key once."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            raise RuntimeError(f"{key} is set")
        super().__setitem__(key, value)


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
        lambda a, b: Checked((a, b)),
        lambda a, b: UserDict(first=a, second=b),
        lambda a, b: MappingProxyType({"first": a, "second": b}),
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


@pytest.mark.parametrize("keep", [lambda a, b: {a, b}, lambda a, b: frozenset([a, b]), lambda a, b: [{(a,), b}]])
def test_in_a_set_too(keep: Callable[[nn.Module, nn.Module], Any]) -> None:
    model = Keeps(keep, registered=False)
    before, made = list(parts(model).hidden.values()), nn.Identity()
    undo = replace_module(model, before[0], made)
    assert set(parts(model).hidden.values()) == {made, before[1]}
    undo()
    assert set(parts(model).hidden.values()) == set(before)


def test_what_refuses_it_leaves_everything_as_it_was() -> None:
    model = Keeps(lambda a, b: [[a], Once(first=a)], registered=True)
    layer = model.a
    with pytest.raises(RuntimeError, match="first is set"):
        replace_module(model, layer, nn.Identity())
    assert model.a is model.kept[0][0] is model.kept[1]["first"] is layer


@pytest.mark.parametrize("registered", [True, False])
def test_fixes_of_layers_in_a_plain_list(registered: bool) -> None:
    """Another dilation is seen although only the list is run; unregistered parameters are reported."""
    report = check(Keeps(lambda a, b: [a, b], registered=registered), require=["dilated_convs >= 1"])
    assert report.fix_all is not None
    assert "dilated_convs 1" in report.fix_all.text
    assert ("without those of kept.0, which the model does not register" in report.fix_all.text) is not registered
