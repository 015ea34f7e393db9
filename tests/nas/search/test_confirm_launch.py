"""A confirmation as a whole; tests/nas/search/test_confirm.py has its trainings."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig
from nas.search.confirm_launch import confirm_trials
from nas.search.holding import hold
from nas.search.study import CONFIRMED, IDENTITY
from nas.training import datasets
from tests.engines import search_in_this_process
from tests.nas.results.known import PLAIN


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LaunchConfig:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    search_in_this_process(monkeypatch)
    return LaunchConfig(storage=str(tmp_path / "journal.log"), study="known", workers=1, device="cpu")


def test_the_budget_is_the_searchs_unless_told_otherwise(config: LaunchConfig) -> None:
    study, digits = optuna.create_study(study_name="known"), datasets.load("digits")
    study.set_user_attr(IDENTITY, {"epochs": 1})
    told: list[tuple[int, int, int, int]] = []
    (found,) = confirm_trials(
        study, [(3, PLAIN)], config, digits, seeds=(7,), epochs=None, progress=lambda *done: told.append(done)
    )
    assert (found.trial, found.seeds, found.epochs) == (3, (7,), 1)
    assert study.user_attrs[f"{CONFIRMED}3"]["mean"] == found.accuracies[0]
    assert told[-1] == (3, 7, 1, 1)


def test_one_process_at_a_time_confirms(config: LaunchConfig) -> None:
    study = optuna.create_study(study_name="known")
    refused = pytest.raises(UnusableInputError, match=r"^study 'known' is held by another process")
    with hold(config.storage, "known", "confirm"), refused:
        confirm_trials(
            study, [(3, PLAIN)], config, datasets.load("digits"), seeds=(0,), epochs=1, progress=lambda *_: None
        )
