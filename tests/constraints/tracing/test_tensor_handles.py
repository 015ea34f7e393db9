"""The handle of each tensor of a run: registered, from outside, made by the run, or from nowhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from constraints.tracing.handles import FROM_NOWHERE, Handle
from constraints.tracing.overloads import looked_up
from constraints.tracing.postponed import Postponed
from constraints.tracing.registry import Registry
from constraints.tracing.tensor_handles import TensorHandles, handle_of


class Model(nn.Module):
    """One layer, and a constant as an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.constant = nn.Linear(3, 2), torch.ones(2)


class Run:
    def copied(self, handle: Handle) -> None:
        """No run is there to note it."""


def begun() -> tuple[Model, TensorHandles]:
    model, run = Model(), Run()
    modules = dict(model.named_modules())
    registry = Registry(modules, (), run)
    return model, TensorHandles(run, modules, registry, Postponed(is_open=False))


def test_a_parameter_has_its_name_and_what_shares_its_memory_is_tied_to_it() -> None:
    model, handles = begun()
    assert handles.of(model.layer.weight).name == "layer.weight"
    view = model.layer.weight.detach()
    assert handles.of(view).tied is handles.of(model.layer.weight)
    assert handle_of(model.layer.weight) is None  # registered ones carry none


def test_a_tensor_of_the_model_is_a_constant_and_any_other_is_from_nowhere() -> None:
    model, handles = begun()
    assert handles.of(model.constant).source == ""
    stranger = torch.ones(2)
    assert handles.of(stranger).source == FROM_NOWHERE
    assert handles.of(stranger) is handles.of(stranger) is handle_of(stranger)
    assert [t is s for t, s in zip(handles.outside, [model.constant, stranger], strict=True)] == [True, True]
    handles.undo()
    assert handle_of(stranger) is None


def test_arguments_are_replaced_by_handles_also_inside_lists() -> None:
    _, handles = begun()
    a, b = torch.ones(2), torch.ones(2)
    found: list[Handle] = []
    held = handles.given([[a, b], 1], [0], found)
    assert held == [[handles.of(a), handles.of(b)], 1]
    assert found == [handles.of(a), handles.of(b)]


def test_what_is_written_to_is_no_input() -> None:
    _, handles = begun()
    a, out = torch.ones(2), torch.ones(2)
    operator = looked_up(torch.ops.aten.add.out)
    read: list[Handle] = []
    named: dict[str, Any] = handles.named({"other": a, "out": out}, operator, read)
    assert read == [handles.of(a)]
    assert named == {"other": handles.of(a), "out": handles.of(out)}
    outputs = [handles.made(out, (2,))]
    assert handles.written(operator, (a,), {"out": out}, outputs, [(2,)]) == outputs
