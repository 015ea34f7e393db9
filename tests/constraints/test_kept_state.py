"""After a run a model is what it was before, even if the forward pass changed it."""

from __future__ import annotations

import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from constraints import kept_state
from constraints.kept_state import modules_kept
from constraints.tracer import trace


class Log:
    """An object of the user's own."""

    def __init__(self) -> None:
        self.lines, self.count = ["first"], 0


class Model(nn.Module):
    """Two layers, of which the second is not called, and values of all kinds."""

    calls = 0

    def __init__(self, change: Callable[[Any, torch.Tensor], object]) -> None:
        super().__init__()
        self.change = change
        self.conv, self.spare = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.handle = self.spare.register_forward_hook(lambda *_: None)
        self.register_buffer("seen", torch.zeros(2))
        self.nested: dict[str, Any] = {"list": [[1]], "dict": {}, "set": {1}}
        self.queue, self.counts, self.order = deque([1], 3), Counter("a"), OrderedDict(a=1)
        self.log, self.array, self.bytes = Log(), np.zeros(2), bytearray(2)
        self.torchs, self.numpys = torch.Generator().manual_seed(1), np.random.default_rng(1)
        self.pythons = random.Random(1)
        self.plain = torch.zeros(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        self.change(self, x)
        return y


def picture(model: Model) -> list[object]:
    """All that may change, as values that can be compared."""
    modules = [
        (name, type(m), m.training, [(k, id(v)) for k, v in vars(m).items()], [*m._modules], [*m._parameters])
        for name, m in model.named_modules()
    ]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._buffers)) for m in model.modules()]
    tensors = [
        (n, id(t), t.dtype, t.requires_grad, id(t.grad), sorted(vars(t)), t._backward_hooks, t.tolist())
        for n, t in [*model.named_parameters(), *model.named_buffers()]
    ]
    kept = [repr(v) for v in (model.nested, model.queue, model.counts, model.order, vars(model.log), model.bytes)]
    arrays = [model.array.tolist(), model.plain.tolist()]
    draws = [model.torchs.get_state().tolist(), str(model.numpys.bit_generator.state), model.pythons.getstate()]
    return [modules, hooks, tensors, kept, arrays, draws, Model.calls, sorted(vars(Model))]


CHANGES: dict[str, Callable[[Any, torch.Tensor], object]] = {
    "a hook": lambda m, x: m.conv.register_forward_hook(lambda *_: None),
    "a hook before": lambda m, x: m.register_forward_pre_hook(lambda *_: None),
    "a hook removed": lambda m, x: m.handle.remove(),
    "a hook of a tensor": lambda m, x: m.conv.weight.register_hook(lambda g: g),
    "trained no more": lambda m, x: m.requires_grad_(False),
    "a gradient": lambda m, x: setattr(m.conv.weight, "grad", torch.ones_like(m.conv.weight)),
    "an attribute of a tensor": lambda m, x: setattr(m.conv.weight, "tag", 1),
    "training mode": lambda m, x: m.train(),
    "another dtype": lambda m, x: m.spare.double(),
    "other data": lambda m, x: setattr(m.conv.weight, "data", torch.zeros(4, 3, 3, 3)),
    "data in place": lambda m, x: m.conv.weight.data.mul_(2),
    "data through an array": lambda m, x: m.conv.weight.detach().numpy().__imul__(2),
    "a class": lambda m, x: setattr(m.spare, "__class__", nn.Conv1d),
    "an attribute of its class": lambda m, x: setattr(Model, "calls", Model.calls + 1),
    "a new attribute of its class": lambda m, x: setattr(Model, "more", 1),
    "a layer taken away": lambda m, x: delattr(m, "spare"),
    "a new layer": lambda m, x: m.add_module("more", nn.Conv2d(3, 3, 1)),
    "a new parameter": lambda m, x: m.spare.register_parameter("more", nn.Parameter(torch.zeros(2))),
    "a new buffer": lambda m, x: m.spare.register_buffer("more", torch.zeros(2)),
    "pruning": lambda m, x: prune.l1_unstructured(m.spare, "weight", 0.5),  # type: ignore[no-untyped-call]
    "a parametrization": lambda m, x: parametrizations.weight_norm(m.spare),
    "a nested list": lambda m, x: m.nested["list"][0].append(2),
    "a nested dict": lambda m, x: m.nested["dict"].update(a=1),
    "a nested set": lambda m, x: m.nested["set"].clear(),
    "a queue": lambda m, x: m.queue.append(2),
    "counts": lambda m, x: m.counts.update("b"),
    "an ordered dict": lambda m, x: m.order.clear(),
    "bytes": lambda m, x: m.bytes.extend(b"a"),
    "an object": lambda m, x: setattr(m.log, "count", 1),
    "a list of an object": lambda m, x: m.log.lines.append("second"),
    "an array": lambda m, x: m.array.__iadd__(1),
    "a tensor in place": lambda m, x: m.plain.add_(1),
    "draws of torch": lambda m, x: torch.rand(1, generator=m.torchs),
    "draws of numpy": lambda m, x: m.numpys.random(),
    "draws of Python": lambda m, x: m.pythons.random(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_model_is_what_it_was(change: Callable[[Any, torch.Tensor], object]) -> None:
    model = Model(change)
    before = picture(model)
    trace(model, (3, 8, 8))
    assert picture(model) == before


def test_each_change_is_seen_where_nothing_puts_it_back() -> None:
    for name, change in CHANGES.items():
        model = Model(change).eval()
        before = picture(model)
        with modules_kept([*model.modules()], [*model.parameters()]):  # which leaves values of tensors alone
            model.change(model, torch.zeros(1, 3, 8, 8))
            assert picture(model) != before, name


class Odd:
    """An object that compares with nothing."""

    def __eq__(self, other: object) -> bool:
        raise AttributeError(other)

    __hash__ = None  # type: ignore[assignment]


def traced(net: nn.Module) -> Any:
    return torch.jit.trace(net, torch.zeros(1, 3, 8, 8))  # type: ignore[no-untyped-call]  # torch leaves it untyped


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.parametrize("made", [torch.jit.script, traced])
@pytest.mark.parametrize("is_inside", [False, True])
def test_a_program_is_left_in_training(made: Callable[[nn.Module], Any], is_inside: bool) -> None:
    program = made(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5)).train())
    model: nn.Module = nn.Sequential(program) if is_inside else program
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert trace(model, [(3, 8, 8)]).metrics.params == 3 * 8 * 9 + 8 + 16
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_attributes_that_are_code_are_not_asked_for() -> None:
    class Sized:
        @property
        def nbytes(self) -> int:
            raise ZeroDivisionError

    class Keeping(nn.Conv2d):
        kept = None

    model = Keeping(3, 4, 3)
    vars(model)["kept"] = Sized()
    assert trace(model, (3, 8, 8)).metrics.params == 4 * 27 + 4


def test_arrays_are_copied_up_to_a_limit_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three arrays of 800 bytes two fit into 2,000."""
    monkeypatch.setattr(kept_state, "_MOST_BYTES", 2_000)

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.arrays = [np.zeros(100) for _ in range(3)]

    holder = Holder()
    with modules_kept([holder], []):
        for array in holder.arrays:
            array[:] = 1
    assert sorted(array[0] for array in holder.arrays) == [0, 0, 1]


def test_what_cannot_be_compared_is_put_back() -> None:
    first = [Odd()]

    def replaced(m: Any, _: torch.Tensor) -> None:
        m.nested["list"][:] = [Odd()]

    model = Model(replaced)
    model.nested["list"] = list(first)
    trace(model, (3, 8, 8))
    assert model.nested["list"][0] is first[0]


def test_objects_that_hold_each_other_are_put_back() -> None:
    def tie(m: Any, _: torch.Tensor) -> None:
        m.log.count += 1

    model = Model(tie)
    model.log.lines = [model.log]  # type: ignore[list-item]
    trace(model, (3, 8, 8))
    assert model.log.count == 0
