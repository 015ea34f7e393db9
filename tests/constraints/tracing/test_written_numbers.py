"""The whole numbers of a program: constants of its code, of its file, default values and attributes."""

from __future__ import annotations

import torch
from torch import nn

from constraints.tracer import trace
from constraints.tracing.written_numbers import whole_numbers

OF_THE_FILE = 31


class Program(nn.Module):
    """Holds 3, 5, 7, 11, 13 and 31."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [3, {"five": 5}]

    def forward(self, image: torch.Tensor, times: int = 7) -> torch.Tensor:
        def more(tensor: torch.Tensor) -> torch.Tensor:
            return tensor * 11

        return more(image) * times * -13 * OF_THE_FILE


def test_constants_defaults_names_and_attributes() -> None:
    found = whole_numbers([Program()])
    assert {3, 5, 7, 11, 13, 31} <= set(found)
    assert 17 not in found


class Scaled(nn.Module):
    """Multiplies a map by a whole number: of the program, or far from one that it read."""

    def __init__(self, by: int = 0) -> None:
        super().__init__()
        self.conv, self.by = nn.Conv2d(3, 4, 3), by

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(image)
        read = found.abs().sum().item()
        return found * (self.by or 1000 + int(read * 10))


def test_a_whole_number_that_is_computed_of_what_was_read_is_a_gate_of_the_whole_map() -> None:
    assert trace(Scaled(by=12), (3, 8, 8)).metrics.global_context is False
    assert trace(Scaled(), (3, 8, 8)).metrics.global_context is True
