"""A number that may be read or a constant: what differs by it is unknown, and the rest is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import Trace, trace
from tests.constraints.written import Written


@dataclass
class Settings:
    """A config object."""

    scale: int = 12


def helper(x: torch.Tensor) -> torch.Tensor:
    return x * 12


class Scaled(nn.Module):
    """A number in a class, in a config object, and as a keyword's default value."""

    SCALE = 12

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.settings, self.heads = nn.Conv2d(3, 12, 3), Settings(), 4

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The convolution's map times constants, after a look at the image."""
        if image.abs().max().item() > 1e9:  # no assert, which pytest writes again
            raise ValueError
        return self.scaled(self.conv(image)) * self.SCALE * self.settings.scale

    def scaled(self, x: torch.Tensor, *, by: int = 12) -> torch.Tensor:
        """Times numbers of defaults, attributes and sizes."""
        return helper(x * by) * (self.heads * 3) / (x.shape[1] // 2) / (x.shape[2] + x.shape[3])


def traced(run: Callable[..., Any]) -> Trace:
    return trace(Written(run, conv=nn.Conv2d(3, 12, 3)), (3, 8, 8))


def test_constants_after_a_guard_are_no_gate() -> None:
    found = trace(Scaled(), (3, 8, 8))
    assert found.metrics.global_context is False
    assert not found.unknown


GATES: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "far": lambda m, x: m.conv(x) * (1000 + int(m.conv(x).abs().sum().item() * 10)),
    "of the program": lambda m, x: m.conv(x) * (10 + int(m.conv(x).abs().sum()) % 7),
    "small": lambda m, x: m.conv(x) * (1 + int(m.conv(x).abs().sum()) % 2),
    "of few digits": lambda m, x: m.conv(x) * float(round(m.conv(x).abs().sum().item())),
    "of a text": lambda m, x: m.conv(x) * float("%g" % m.conv(x).abs().sum().item()),  # noqa: UP031
    "of the start of a text": lambda m, x: m.conv(x) * float(str(m.conv(x).abs().sum().item())[:4]),
    "without places": lambda m, x: m.conv(x) * (m.conv(x).abs().sum().item() // 1),
    "a whole number": lambda m, x: m.conv(x) * m.conv(x).sum((2, 3)).argmax().item(),
    "of an array": lambda m, x: m.conv(x) * float(m.conv(x).numpy().mean()),
    "of many digits": lambda m, x: m.conv(x) * math.exp(m.conv(x).mean().item()),
    "a tensor": lambda m, x: m.conv(x) * torch.tensor([m.conv(x).mean().item() + 1]),
    "a tensor of whole numbers": lambda m, x: m.conv(x) * torch.tensor(int(m.conv(x).abs().sum())),
    "a bound": lambda m, x: m.conv(x).clamp(max=int(m.conv(x).abs().sum())),
}


@pytest.mark.parametrize("run", GATES.values(), ids=GATES.keys())
def test_what_may_be_a_gate_is_unknown_by_the_operation(run: Callable[..., Any]) -> None:
    found = traced(run)
    assert found.metrics.global_context is None
    assert found.metrics.receptive_field_hw == (3, 3) or found.unknown["receptive_field"]
    assert found.metrics.params == 12 * 28
    why = found.unknown["global_context"]
    assert why.split(":")[0] in {"mul", "clamp", "a tensor"}
    assert "numbers that may be constants, or computed of values that were read" in why
    assert any(why.split("; ")[0] in warning for warning in found.warnings)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_number_as_it_was_read_is_a_gate(as_tensor: bool) -> None:
    """A mean of few digits, as one in some tens is, may be a constant: this one has many, however it is rounded."""

    def run(m: Any, x: torch.Tensor) -> Any:
        mean = (m.conv(x) * 0 + 0.1234567).mean().item()
        return m.conv(x) * (torch.tensor(mean) if as_tensor else mean)

    assert traced(run).metrics.global_context is True


def test_a_tensor_of_constants_after_a_guard_is_not_said_to_be_a_gate() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        return m.conv(x)[:, torch.tensor([0, 2])] * torch.tensor([12.0]) if m.conv(x).max().item() < 1e9 else x

    found = traced(run)
    assert found.metrics.global_context is None
    assert found.unknown["global_context"].startswith("a tensor: numbers that may be constants")


@pytest.mark.parametrize(
    "made",
    [
        lambda number: torch.full((12, 1, 1), number * 1.1),
        lambda number: torch.linspace(0, number * 1.1, 12)[:, None, None],
        lambda number: torch.arange(round(number * 10), round(number * 10) + 12)[:, None, None],
    ],
)
def test_what_is_made_of_a_number_alone_is_no_constant_where_the_number_was_read(made: Callable[[float], Any]) -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        return y * made(float(y[0, 0, 3, 3]))  # type: ignore[no-any-return]

    found = traced(run)
    assert found.metrics.receptive_field is None
    assert "read from a tensor" in found.unknown["receptive_field"]
