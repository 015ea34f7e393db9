"""Recurrent layers cost their matrices once a step, by torch's schema of gates: 4 of an LSTM, 3 of a GRU, 1."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from constraints.tracer import trace
from tests.constraints.written import Written


@pytest.mark.parametrize(("kind", "gates", "label"), [(nn.LSTM, 4, "lstm"), (nn.GRU, 3, "gru"), (nn.RNN, 1, "rnn")])
@pytest.mark.parametrize("is_packed", [False, True])
def test_each_step_multiplies_input_and_state(
    kind: Callable[..., nn.RNNBase], gates: int, label: str, is_packed: bool
) -> None:
    def run(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if not is_packed:
            return m.rnn(x)[0]  # type: ignore[no-any-return,operator]
        packed = pack_padded_sequence(x, torch.tensor([7]), batch_first=True)
        return pad_packed_sequence(m.rnn(packed)[0], batch_first=True)[0]  # type: ignore[operator]

    model = Written(run, rnn=kind(6, 5, num_layers=2, batch_first=True, bidirectional=True))
    found = trace(model, (10, 6))
    steps = 7 if is_packed else 10
    assert found.metrics.macs == steps * gates * 2 * (5 * (6 + 5) + 5 * (10 + 5))
    assert [layer.name for layer in found.layers if layer.macs] == ["rnn"]
    assert [layer.op for layer in found.layers if layer.macs] == [label]


def test_a_projection_is_one_matrix_more() -> None:
    model = Written(lambda m, x: m.rnn(x)[0], rnn=nn.LSTM(6, 5, proj_size=2, batch_first=True))
    assert trace(model, (10, 6)).metrics.macs == 10 * (4 * 5 * (6 + 2) + 5 * 2)


def test_along_a_map_it_sees_all_that_comes_before() -> None:
    def run(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return m.rnn(m.conv(x).permute(0, 3, 1, 2).flatten(2))[0]  # type: ignore[no-any-return,operator]

    found = trace(Written(run, conv=nn.Conv2d(3, 2, 3, padding=1), rnn=nn.GRU(8, 5, batch_first=True)), (3, 4, 9))
    assert found.metrics.receptive_field_hw is None
    assert "a recurrent layer sees all that comes before" in found.unknown["receptive_field"]
