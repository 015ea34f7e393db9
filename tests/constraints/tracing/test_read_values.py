"""What was read from tensors, and what is made of it when it comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.constraints.tracing.known import CONV, known


def test_nothing_is_read_of_what_no_input_decides() -> None:
    found = known(lambda m, x: m.a(x) * m.a.weight.mean().item(), a=CONV)
    assert (found.read.values, found.read.decided, found.read.doubts) == ([], [], {})


@pytest.mark.parametrize(
    ("run", "values", "decided"),
    [
        (lambda m, x: m.a(x) * m.a(x).mean().item(), 1, 1),
        (lambda m, x: m.a(x) if m.a(x).mean() > 0 else m.a(x) * 2, 0, 1),  # a truth value decides what runs
        (lambda m, x: m.a(x) if torch.equal(m.a(x), x) else m.a(x) * 2, 0, 1),
        (lambda m, x: m.a(x) if len(m.a(x).tolist()) else x, 1, 1),
        (lambda m, x: m.a(x) if m.a(x).detach().numpy().mean() > 0 else x, 1, 1),
        (lambda m, x: m.a(x) if "-" in str(m.a(x)) else x, 1, 1),
        (lambda m, x: m.a(x) if len(m.a(x).relu().nonzero()) else x, 0, 1),  # how many there are is a value too
        (lambda m, x: m.a(x) if m.a(x)[m.a(x) > 0].numel() else x, 0, 1),
        (lambda m, x: m.a(x) if m.a(x)[x.new_ones(1, 3, 8, 8) > 0].numel() else x, 0, 0),
        (lambda m, x: m.a(x) if len(torch.where(m.a(x) > 0)[0]) else x, 0, 1),
        (lambda m, x: m.a(x) if m.a(x).unique().numel() > 1 else x, 0, 1),
    ],
)
def test_numbers_are_noted_and_that_code_may_decide_by_them(run: Callable[..., Any], values: int, decided: int) -> None:
    found = known(run, a=CONV)
    assert (len(found.read.values), len(found.read.decided)) == (values, decided)


def test_a_number_of_the_whole_map_is_a_gate_and_one_of_a_place_is_not_known() -> None:
    whole = known(lambda m, x: m.a(x) * m.a(x).mean().item(), a=CONV).outputs[0]
    assert whole.flow.context
    assert [v.size for v in whole.views if v] == [3, 3]
    place = known(lambda m, x: m.a(x) * m.a(x)[0, 0, 4, 4].item(), a=CONV).outputs[0]
    assert all(v is not None and "values that were read from a tensor" in v.unknown for v in place.views)


def test_a_number_that_may_be_a_constant_is_a_doubt_with_its_place() -> None:
    found = known(lambda m, x: m.a(x) * (round(m.a(x).mean().item()) + 12.5), a=CONV)
    assert [why.split(":")[0] for why in found.read.doubts] == ["mul"]
    assert [v.size for v in found.outputs[0].views if v] == [3, 3]
