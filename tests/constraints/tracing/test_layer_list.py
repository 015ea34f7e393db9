"""The layers of a finished run: one for each call, with what the units of its map see."""

from typing import Any

import torch
from torch import nn

from constraints.tracer import trace
from tests.constraints.written import Written


def test_every_call_is_a_layer_with_its_field_jump_and_offset() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(4, 6, (1, 3), padding=(0, 1)))
    first, relu, last = trace(model, (3, 8, 8)).layers
    assert (first.receptive_field, first.jump, first.offset) == ((3, 3), (2, 2), (-1, -1))
    assert (relu.receptive_field, relu.jump, relu.offset) == (first.receptive_field, first.jump, first.offset)
    assert (last.receptive_field, last.jump) == ((3, 3 + 2 * 2), (2, 2))
    assert last.offset == (-1, -1 - 2)  # one more window of the first layer to the left
    assert (last.kernel, last.output, last.params, last.macs) == ((1, 3), (6, 4, 4), 3 * 4 * 6 + 6, 3 * 4 * 6 * 16)


def test_a_module_that_is_called_twice_is_two_layers() -> None:
    model = Written(lambda m, x: m.a(m.a(x)), a=nn.Conv2d(3, 3, 3))
    fields = [layer.receptive_field for layer in trace(model, (3, 8, 8)).layers]
    assert fields == [(3, 3), (5, 5)]


def test_what_is_no_map_has_no_field() -> None:
    model = Written(lambda m, x: m.a(x).mean((2, 3)), a=nn.Conv2d(3, 3, 3))
    assert [layer.receptive_field for layer in trace(model, (3, 8, 8)).layers] == [(3, 3), None]


def test_a_table_of_pairs_is_no_map() -> None:
    def pairs(m: Any, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = m.a(x).flatten(2)
        return y.transpose(1, 2) @ y

    conv, product = trace(Written(pairs, a=nn.Conv2d(3, 3, 3)), (3, 8, 8)).layers
    assert (conv.receptive_field, product.receptive_field) == ((3, 3), None)
