"""Compiled modules are examined as they were written, under the names that were written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from constraints.checker import check
from constraints.compile_wrappers import as_written
from constraints.model_state import parts
from constraints.tracer import trace


def compiled(module: nn.Module) -> nn.Module:
    """The module in the wrapper of ``torch.compile``."""
    return cast("nn.Module", torch.compile(module))


def same(module: nn.Module) -> nn.Module:
    """The module itself."""
    return module


class Net(nn.Module):
    """A compiled chain with a compiled layer in it, and one that a plain list keeps."""

    def __init__(self, wrap: bool) -> None:
        super().__init__()
        made = compiled if wrap else same
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = made(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), made(nn.Conv2d(8, 8, 3)), nn.ReLU()))
        self.kept = [made(nn.Conv2d(8, 8, 3, padding=1))]
        self.unused = made(nn.Linear(2, 2))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.kept[0](self.b(self.a(image))).mean((2, 3))
        return pooled


def test_the_report_is_that_of_the_model_as_it_was_written() -> None:
    plain, wrapped = Net(wrap=False), Net(wrap=True)
    before = {name: id(module) for name, module in wrapped.named_modules()}
    rules = ["dilated_convs >= 2", "depthwise_separable_convs >= 1", "params > 9"]
    found = check(compiled(wrapped), require=rules, verify=True)
    assert found.to_dict() == check(plain, require=rules, verify=True).to_dict()
    assert found.fix_all is not None
    assert {name: id(module) for name, module in wrapped.named_modules()} == before
    assert type(wrapped.kept[0]).__name__ == "OptimizedModule"


def test_a_trace_has_the_names_that_were_written() -> None:
    layers = trace(compiled(Net(wrap=True)), (3, 16, 16)).layers
    assert [layer.name for layer in layers] == ["a", "b.0", "b.1", "b.2", "kept.0", "mean"]


def test_the_hooks_of_a_wrapper_are_examined_too() -> None:
    def pooled(_: nn.Module, __: object, made: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(made, 2)

    inner = compiled(nn.Conv2d(8, 8, 3))
    outer = compiled(nn.Sequential(nn.Conv2d(3, 8, 3), inner))
    for wrapper in (inner, outer):
        wrapper.register_forward_hook(pooled)
    found = trace(outer, (3, 16, 16)).metrics
    assert (found.max_pools, found.receptive_field) == (2, 8)  # 3 + 2 + 1, and 1 more in steps of 2


def test_a_latency_is_that_of_the_compiled_model() -> None:
    runs: list[int] = []

    def backend(graph: Callable[..., Any], _: object) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            runs.append(1)
            return graph(*given)

        return run

    layer = nn.Conv2d(3, 8, 3)
    found = check(cast("nn.Module", torch.compile(layer, backend=backend)), require=["latency_ms < 1000", "convs == 1"])
    assert found.ok
    assert len(runs) > 1


def test_a_model_that_was_not_compiled_is_itself() -> None:
    model = Net(wrap=False)
    found = parts(model)
    with as_written(found) as written:
        assert written is found
