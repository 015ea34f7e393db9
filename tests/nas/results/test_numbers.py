"""Numbers as tables and sentences write them."""

from __future__ import annotations

import pytest

from nas.results.numbers import duration
from nas.words import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (12_000, "12,000 epochs")]
)
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "epoch") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (-1, "0s"), (59.4, "59s"), (59.6, "1m00s"), (3599.4, "59m59s"), (3599.6, "1h00m"), (7500, "2h05m")],
)
def test_a_duration_carries_to_the_next_unit(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
