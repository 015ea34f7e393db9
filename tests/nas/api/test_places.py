from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nas.api.places import located
from nas.results.board import leaderboard
from tests.nas.results.known import known_study


@pytest.fixture
def study(here: Path) -> optuna.Study:
    return known_study(here / "journal.log")


def test_a_row_knows_where_it_is(study: optuna.Study) -> None:
    row = leaderboard(study, storage="journal.log").best
    assert located(row, "elsewhere.log", "other") == ("1", "journal.log", "known")


def test_another_trial_is_where_the_call_says(study: optuna.Study) -> None:
    assert located(3, Path("a.log"), None) == ("3", "a.log", None)
    assert located("best", "a.log", "s") == ("best", "a.log", "s")
    assert located(leaderboard(study).best, "a.log", "s") == ("1", "a.log", "s")
