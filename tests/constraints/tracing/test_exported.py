"""Tensors whose memory code outside of a run wrote to."""

from __future__ import annotations

import torch

from constraints.tracing.exported import Exported


def test_what_was_written_to_from_outside_is_found_once() -> None:
    kept, written = torch.zeros(3), torch.tensor([1.0, float("nan")])
    held = Exported()
    assert not held.has_any
    for tensor in (kept, written):
        held.add(tensor)
    assert held.has_any
    assert list(held.changed()) == []
    written.numpy()[0] = 2
    assert [t is written for t in held.changed()] == [True]
    assert list(held.changed()) == []
    assert [v.nan_to_num().tolist() for v in held.values()] == [[0, 0, 0], [2, 0]]


def test_what_the_run_itself_wrote_is_none_of_it() -> None:
    tensor, held = torch.zeros(2), Exported()
    held.add(tensor)
    tensor += 1
    held.look_again()
    assert list(held.changed()) == []
    tensor.resize_(1)
    assert [t is tensor for t in held.changed()] == [True]


def test_a_tensor_without_values_has_none_to_change() -> None:
    held = Exported()
    held.add(torch.empty(2, device="meta"))
    assert not held.has_any
