"""Memory of hand-written models, by counting their tensors."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from constraints.tracer import trace
from constraints.tracing.memory_sums import peak_int8_bytes, ram_bytes, weight_bytes_int8
from constraints.tracing.values import Storage
from tests.constraints.written import Written

MAP = 4 * 8 * 8
"""Elements of a map of four channels."""


class Sum(nn.Module):
    """A convolution of its input, and a sum with what it was given."""

    def __init__(self, *, reads_again: bool) -> None:
        super().__init__()
        self.conv, self.reads_again = nn.Conv2d(4, 4, 3, padding=1), reads_again

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As many maps are alive at the sum as are read after it, and one."""
        y = self.conv(x)
        z = x + y
        return torch.cat([z, x, y], 1) if self.reads_again else z


def test_a_sum_is_in_place_where_nothing_reads_an_operand_later() -> None:
    found = trace(Sum(reads_again=False), (4, 8, 8)).metrics
    assert found.ram_bytes == 2 * MAP
    assert (found.peak_activation_bytes_int8, found.peak_activation_bytes) == (3 * MAP, 4 * 3 * MAP)
    again = trace(Sum(reads_again=True), (4, 8, 8)).metrics
    assert again.ram_bytes == 6 * MAP == again.peak_activation_bytes_int8  # three, and their join of three


def test_a_smaller_operand_is_not_written_over() -> None:
    class Broadcast(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """x[:, :1] is a view; its square is a map of one channel."""
            return x[:, :1].square() + x

    assert trace(Broadcast(), (4, 8, 8)).metrics.ram_bytes == MAP + MAP // 4


def test_whole_numbers_keep_their_size() -> None:
    found = trace(
        nn.Sequential(nn.Embedding(7, 5), nn.Flatten()), input_data=torch.zeros(1, 6, dtype=torch.int64)
    ).metrics
    assert found.peak_activation_bytes_int8 == 6 * 8 + 6 * 5
    assert found.peak_activation_bytes == 6 * 8 + 4 * 6 * 5
    assert found.weight_bytes_int8 == 35


@pytest.mark.parametrize(("dims", "expected"), [((3, 4), 12), ((12,), 48), ((), 4), ((3, 1, 2, 2), 12)])
def test_parameters_of_two_axes_take_a_byte(dims: tuple[int, ...], expected: int) -> None:
    assert weight_bytes_int8([torch.zeros(dims)]) == expected


def test_one_operand_ends_early_and_no_other() -> None:
    first, second = Storage(40, 0, 2, int8_bytes=10), Storage(40, 1, 2, int8_bytes=10)
    result = Storage(40, 2, 3, int8_bytes=10, operands=(first, second))
    assert ram_bytes([first, second, result], 3) == 20
    assert peak_int8_bytes([first, second, result], 3) == 30
    kept = Storage(40, 0, 3, int8_bytes=10)
    assert ram_bytes([kept, Storage(40, 2, 3, int8_bytes=10, operands=(kept,))], 3) == 20


def test_what_cannot_be_counted_spreads() -> None:
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten())
    found = trace(lazy, (3, 8, 8)).metrics.as_dict()
    names = ("weight_bytes", "weight_bytes_float16", "weight_bytes_int8", "flash_bytes")
    assert all((found[name] is None) == (found["params"] is None) for name in names)


class Held(TorchDispatchMode):
    """The bytes of all tensors that Python holds at once, each a memory of its own."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.now = self.most = 0

    def note(self, tensor: torch.Tensor) -> None:
        """Count a tensor as long as it is held."""
        size = tensor.numel() * tensor.itemsize
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(tensor, self._freed, size)

    def _freed(self, size: int) -> None:
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation."""
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor) and not any(leaf is a for a in args):
                self.note(leaf)
        return made


def _all_kept(m: Any, x: torch.Tensor) -> Any:
    maps = [x]
    for layer in m.layers:
        maps.append(layer(maps[-1]))
    return maps[-1].mean((2, 3))


def _two_branches(m: Any, x: torch.Tensor) -> Any:
    return torch.cat([m.a(x).relu_(), m.b(x).relu_()], 1).mean((2, 3))


@pytest.mark.parametrize(
    ("run", "channels", "alive", "held"),
    [
        # two maps of 8 channels at a time; the list holds seven, and at the end a vector of 8
        (_all_kept, 8, 2 * 8 * 1024 * 4, 7 * 8 * 1024 * 4 + 8 * 4),
        # both branches and their join of 24 channels; the caller holds the image too
        (_two_branches, 3, 48 * 1024 * 4, (3 + 48) * 1024 * 4),
    ],
)
def test_a_tensor_is_alive_up_to_the_last_operation_that_reads_it_and_not_as_long_as_python_holds_it(
    run: Callable[..., Any], channels: int, alive: int, held: int
) -> None:
    layers = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(6)])
    branches = {"a": nn.Conv2d(3, 8, 3, padding=1), "b": nn.Conv2d(3, 16, 3, padding=1)}
    model, image = Written(run, layers=layers, **branches), torch.rand(1, channels, 32, 32)
    assert trace(model, (channels, 32, 32)).metrics.peak_activation_bytes == alive
    with torch.no_grad(), Held() as measured:
        measured.note(image)
        model(image)
    assert measured.most == held
