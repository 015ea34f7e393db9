"""Outputs of any type: what is in them, and what they hide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import ref

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Normal, TransformedDistribution
from torch.distributions.transforms import SigmoidTransform

from constraints.errors import UnusableInputError
from constraints.tracer import Trace, trace
from constraints.tracing.outputs import opened
from tests.constraints.written import Written

Run = Callable[[Any, torch.Tensor], Any]


def traced(run: Run) -> Trace:
    parts = {"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(4, 4, 9, padding=4), "f": nn.Linear(4, 4)}
    return trace(Written(run, **parts), (3, 16, 16))


@dataclass
class Answer:
    scores: torch.Tensor


class Slotted:
    __slots__ = ("scores",)

    def __init__(self, scores: torch.Tensor) -> None:
        self.scores = scores


def generated(m: Any, x: torch.Tensor) -> Iterator[torch.Tensor]:
    yield m.f(m.a(x).mean((2, 3)))


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: Answer(m.f(m.a(x).mean((2, 3)))),
        lambda m, x: [{"out": Slotted(m.f(m.a(x).mean((2, 3))))}],
        lambda m, x: Categorical(logits=m.f(m.a(x).mean((2, 3)))),
        lambda m, x: TransformedDistribution(Normal(m.f(m.a(x).mean((2, 3))), 1.0), [SigmoidTransform()]),
        lambda m, x: (m.f(m.a(x).mean((2, 3))), torch.relu, len, Answer, {"classes": torch.Size([4]), "epoch": 7}),
        generated,
    ],
)
def test_outputs_of_any_type_are_opened(run: Run) -> None:
    found = traced(run).metrics
    assert (found.receptive_field_hw, found.global_average_pools, found.fully_connected) == ((3, 3), 1, 1)


def test_an_endless_output_is_not_waited_for() -> None:
    def forever() -> Iterator[int]:
        while True:
            yield 1

    assert opened(forever()).tensors == []


class Holds:
    def __init__(self, held: Any) -> None:
        self.held = held


def later(m: Any, y: torch.Tensor) -> Any:
    async def run() -> torch.Tensor:
        return m.b(y)  # type: ignore[no-any-return]

    made = run()
    made.close()
    return made


BESIDE: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "a closure": lambda m, y: lambda: m.b(y),
    "a bound method": lambda m, y: m.b(y).relu,
    "arguments that are bound": lambda m, y: partial(torch.relu, m.b(y)),
    "a module": lambda m, y: Holds(m),
    "a coroutine": later,
    "a weak reference": lambda m, y: ref(y),
    "an array": lambda m, y: m.b(y).numpy(),
    "numbers made of numbers": lambda m, y: [v * 3 for v in m.b(y)[0, 0, 0].tolist()],
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE.keys())
def test_what_cannot_be_opened_is_not_left_out(beside: Callable[[Any, torch.Tensor], Any]) -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        return y, {"more": beside(m, y)}

    found = traced(run)
    assert found.metrics.receptive_field_hw is None
    assert (
        "an output of type" in found.unknown["receptive_field"]
        or "read from a tensor" in found.unknown["receptive_field"]
    )


def test_a_number_that_was_read_is_an_output_as_its_tensor_is() -> None:
    found = traced(lambda m, x: (m.a(x), m.b(m.a(x)).mean().item())).metrics
    assert (found.receptive_field_hw, found.global_average_pools) == ((11, 11), 1)


def test_numbers_that_do_not_come_of_the_input_are_none() -> None:
    assert traced(lambda m, x: (m.a(x), 1 / 3, m.f.weight.sum().item())).metrics.receptive_field_hw == (3, 3)


def test_objects_are_opened_as_deep_as_they_go() -> None:
    def wrapped(x: torch.Tensor) -> Any:
        for _ in range(20):
            x = Holds(x)  # type: ignore[assignment]
        return x

    assert traced(lambda m, x: (m.a(x), wrapped(m.b(m.a(x))))).metrics.receptive_field_hw == (11, 11)


def test_a_tensor_without_a_shape_is_refused() -> None:
    with pytest.raises(
        UnusableInputError, match=r"has no shape cannot be traced: .*: make it with layout=torch\.jagged"
    ):
        traced(lambda m, x: torch.nested.as_nested_tensor([m.a(x)[0]]))
