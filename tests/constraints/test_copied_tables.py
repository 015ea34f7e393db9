"""Tables that ``copy.deepcopy`` cannot copy, in the attributes of a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from constraints.copied_tables import note_tables
from constraints.model_state import copied


class AttrDict(dict[str, Any]):
    """A dictionary whose entries are attributes, as many write it."""

    __getattr__ = dict.__getitem__


class Config:
    """An object with a dictionary, whose entries are its attributes."""

    def __init__(self, **entries: Any) -> None:
        self.entries = entries

    def __getattr__(self, name: str) -> Any:
        return self.entries[name]


def net(**attributes: Any) -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2))
    for name, value in attributes.items():
        setattr(model[0], name, value)
    return model


def test_a_table_inside_others_is_copied_whole() -> None:
    inner = AttrDict(depth=2)
    table: Any = AttrDict(width=8, inner=inner, several=[inner, AttrDict(gain=torch.ones(2))])
    model: Any = copied(net(cfg=table))
    made = model[0].cfg
    assert (type(made), made.width, made.inner.depth) == (AttrDict, 8, 2)
    assert made.inner is made.several[0]
    assert made is not table
    assert made.several[1].gain is not table.several[1].gain


def test_a_table_that_holds_itself_and_an_object_are_copied() -> None:
    table = AttrDict(width=8)
    table["again"] = table
    model: Any = copied(net(cfg=table, other=Config(width=4)))
    assert model[0].cfg.again is model[0].cfg
    assert (model[0].other.width, model[0].other.entries) == (4, {"width": 4})


@pytest.mark.parametrize("value", [{"a": [1, (2, {"b": nn.Identity()})]}, AttrDict, len, "text", [1] * 5])
def test_what_python_copies_is_left_to_it(value: Any) -> None:
    memo: dict[int, Any] = {}
    note_tables([net(cfg=value)[0]], memo)  # type: ignore[index]
    assert memo == {}


def test_a_model_with_such_a_table_computes_the_same_in_its_copy() -> None:
    model = net(cfg=AttrDict(width=8))
    assert torch.equal(copied(model)(torch.ones(1, 2)), model(torch.ones(1, 2)))
