"""What a run showed, in a line each."""

from __future__ import annotations

import torch
from torch import nn

from constraints.tracer import trace
from tests.constraints.written import Written


def test_an_early_exit_by_a_value_is_said_in_two_lines() -> None:
    def run(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = m.first(x)  # type: ignore[operator]
        return y if y.mean() < 1e9 else m.rest(y)  # type: ignore[no-any-return,operator]

    layers = [nn.Conv2d(4, 4, 3) for _ in range(20)]
    found = trace(Written(run, first=nn.Conv2d(3, 4, 3), rest=nn.Sequential(*layers)), (3, 8, 8))
    assert found.warnings == (
        "the forward pass reads a value that depends on the input, and may decide by it what runs: the metrics are "
        "those of what ran on this sample",
        "rest (all 40 parameters): never used by the forward pass",
    )


def test_a_value_of_a_weight_chooses_no_path_of_the_input() -> None:
    model = Written(lambda m, x: m.a(x) if float(m.a.weight.sum()) < 1e9 else x, a=nn.Conv2d(3, 4, 3))
    assert trace(model, (3, 8, 8)).warnings == ()


def test_a_few_unused_parameters_get_a_line_each() -> None:
    model = Written(lambda m, x: m.a(x), a=nn.Conv2d(3, 4, 3), b=nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)]))
    assert trace(model, (3, 8, 8)).warnings == tuple(
        f"b.{i}.{name}: never used by the forward pass" for i in (0, 1) for name in ("weight", "bias")
    )
