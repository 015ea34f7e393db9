"""How rungs rank networks: correlations by hand, of tables and of studies."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rungs import longest, measured, of_study, of_table, until_unknown
from tests.nas.results.known import known_study

ENDS = (0.5, 0.6, 0.7, 0.8)


def test_the_correlation_of_each_rung_by_hand() -> None:
    # Four networks of four epochs: ranked the other way round after one, with two neighbours exchanged after two.
    curves = [(0.4, 0.2, 0.3, ENDS[0]), (0.3, 0.1, 0.3, ENDS[1]), (0.2, 0.3, 0.3, ENDS[2]), (0.1, 0.4, 0.3, ENDS[3])]
    first, second = measured(curves)
    assert (first.epoch, second.epoch) == (1, 2)
    assert first.correlation == pytest.approx(-1.0)
    assert second.correlation == pytest.approx(1 - 6 * 2 / (4 * 15))  # two differences of 1: 1 - 6 Σd² / (n (n² - 1))
    assert ((first.best, first.kept), (second.best, second.kept)) == ((1, 0), (1, 1))
    assert first.low == first.high == pytest.approx(-1.0)
    assert second.low < second.correlation < second.high


def test_too_few_networks_say_nothing() -> None:
    with pytest.raises(SystemExit, match="3 networks were trained to the end: a rank correlation needs 4 or more"):
        measured([(0.1, 0.2)] * 3)


def test_only_the_longest_trainings_count() -> None:
    assert longest([(0.1,), (0.1, 0.2), (0.3, 0.4)]) == ([(0.1, 0.2), (0.3, 0.4)], 1)
    assert longest([]) == ([], 0)


def test_a_training_that_diverged_ends_before_its_first_epoch_without_a_number() -> None:
    assert until_unknown((0.1, 0.2, None, 0.3)) == (0.1, 0.2)
    assert until_unknown((0.1, 0.2)) == (0.1, 0.2)
    assert until_unknown((None,)) == until_unknown(()) == ()


def test_a_table_is_read_by_its_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("architecture,params,epoch_1,epoch_2\na,1,0.5,0.6\nb,2,0.4,\n")
    assert of_table(tmp_path / "t.csv") == ([(0.5, 0.6)], 1)


def test_a_study_gives_its_longest_curves(tmp_path: Path) -> None:
    storage = tmp_path / "known.log"
    known_study(storage)
    curves, shorter = of_study("known", str(storage))
    assert (sorted(curves), shorter) == ([(0.3, 0.5), (0.6, 0.86), (0.7, 0.85)], 2)
