"""A row of a table for each place of its indices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from constraints.inputs import InputSpec
from constraints.tracer import trace
from tests.constraints.written import Written


def test_a_map_of_indices_stays_a_map() -> None:
    model = Written(
        lambda m, x: m.conv(m.table(x).permute(0, 3, 1, 2)), table=nn.Embedding(9, 4), conv=nn.Conv2d(4, 2, 3)
    )
    found = trace(model, InputSpec(shape=(8, 8), dtype="int64"))
    assert (found.warnings, found.metrics.macs) == ((), 36 * 9 * 4 * 2)


def test_a_table_that_is_computed_may_be_seen_from_anywhere() -> None:
    def run(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return x + F.embedding(torch.arange(8), x[0, 0])

    found = trace(Written(run), (1, 8, 8))
    assert found.metrics.receptive_field_hw is None
    assert "a table that is computed from the input is looked up" in found.unknown["receptive_field"]
