"""The table of results of searches from given networks."""

from __future__ import annotations

from math import sqrt

from benchmarks.starts import Outcome, Side, _standard_error, rows


def side(mean: float, std: float | None, *broken: str) -> Side:
    return Side(network="net", params=1234, broken=broken, mean=mean, std=std)


def test_a_row_has_both_accuracies_their_difference_and_the_edits() -> None:
    before, after = side(0.8, 0.03, "params < 1"), side(0.85, 0.04)
    error = _standard_error(before, after, 4)
    assert error == sqrt(0.03**2 + 0.04**2) / 2  # 0.025
    one = Outcome(
        start="net.py:Net", before=before, after=after, difference=0.05, standard_error=error, why="c3 added in C1",
        beginning=(), seconds=1.0,
    )  # fmt: skip
    *_, row, _, last = rows([one])
    assert row == (
        "| net.py:Net | 80.00 ± 3.00, breaks a rule | 85.00 ± 4.00 | +5.00 ± 2.50 | 1,234 -> 1,234 | c3 added in C1 |"
    )
    assert last == "1 of 1 starts are beaten"


def test_of_one_seed_no_error_is_known() -> None:
    assert _standard_error(side(0.8, None), side(0.9, None), 1) is None
