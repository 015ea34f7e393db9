"""What a leaderboard and a trial show of themselves."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.results.board import leaderboard
from nas.results.board_table import as_text
from nas.results.displayed import Board, TrialCard
from nas.results.selection import find
from nas.results.trial_card import card
from tests.nas.results.known import network_study


def board(study: optuna.Study) -> Board:
    return Board(**vars(leaderboard(study)))


def test_a_board_reads_as_its_table(study: optuna.Study) -> None:
    lines = str(board(study)).splitlines()
    assert repr(board(study)) == str(board(study))
    assert lines[0] == "study known on digits, target over 85.00%"
    assert lines[3].split()[:3] == ["1*", "1", "complete"]


def test_a_board_is_the_sequence_of_its_rows(study: optuna.Study) -> None:
    found = board(study)
    assert [row.trial for row in found] == [1, 2, 0, 3, 5, 4]
    assert (len(found), found[0].trial, found[-1].trial, found[0] in found) == (6, 1, 4, True)
    assert [row.trial for row in found[1:3]] == [2, 0]
    with pytest.raises(IndexError):
        found[6]


def test_a_board_without_a_trial_is_a_board(study: optuna.Study) -> None:
    empty = board(optuna.create_study())
    assert (len(empty), list(empty), bool(empty)) == (0, [], True)


def test_a_data_frame_has_the_columns_of_the_csv_and_nan_for_what_is_not_known(study: optuna.Study) -> None:
    found = board(study).to_dataframe()
    assert list(found.columns) == as_text(board(study), "csv").splitlines()[0].split(",")
    assert found["trial"].tolist() == [1, 2, 0, 3, 5, 4]
    assert found["val_accuracy"].tolist()[:5] == [0.86, 0.85, 0.5, 0.4, 0.1]
    assert found["val_accuracy"].isna().tolist() == [False] * 5 + [True]
    assert found["test_accuracy"].dropna().tolist() == [0.84]


def test_a_data_frame_of_no_trial_has_the_columns() -> None:
    import pandas as pd

    found = board(optuna.create_study()).to_dataframe()
    assert (len(found), "architecture" in found.columns) == (0, True)
    assert pd.api.types.is_float_dtype(found["test_std"])


def test_without_pandas_the_error_names_it(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(
        UnusableInputError, match=r"^pandas is not installed: to_dataframe needs it: pip install pandas$"
    ):
        board(study).to_dataframe()


def test_a_card_reads_as_show_prints_it(tmp_path: Path) -> None:
    study = network_study(tmp_path / "journal.log")
    found = TrialCard(**vars(card(study, find(study, "best", is_live=None))))
    assert str(found).startswith("study networks, trial 0: complete, 3 epochs in 4s, validation 87.50%\n")
    assert repr(found) == str(found)
    assert found._repr_html_().count("<table>") == 2
