"""What a launch of an existing study leaves out is the study's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig, read_config
from nas.search import kept_settings
from nas.search.early_check import check_study
from nas.search.kept_settings import existing, kept
from nas.search.storage import open_storage
from nas.search.study import IDENTITY, SOURCE

MADE_WITH = {
    "data": {"name": "shapes", "hash": "d"},
    "space": {"name": "wide", "hash": "s"},
    "constraints": ["params < 60000"],
    "seed": 3,
    "epochs": 7,
    "objective": "balanced_accuracy,params",
}


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(str(tmp_path / "journal.log"), write=True)
    made = optuna.create_study(storage=storage, study_name="search", directions=["maximize", "minimize"])
    made.set_user_attr(IDENTITY, MADE_WITH)
    made.set_user_attr(SOURCE, "/there/shapes")
    return made


def asked(folder: Path, **flags: Any) -> LaunchConfig:
    return read_config(None, {"storage": str(folder / "journal.log"), **flags})


def settled(config: LaunchConfig) -> LaunchConfig:
    return kept_settings.settled(config, existing(config))


def test_what_is_not_given_is_the_study_s(study: optuna.Study, tmp_path: Path) -> None:
    before = asked(tmp_path)
    found = settled(before)
    assert (found.rules, found.seed, found.objective) == (["params < 60000"], 3, "balanced_accuracy,params")
    assert found.data == "/there/shapes"
    assert kept(before, existing(before)) == (
        "study search exists and keeps its own space wide; constraints params < 60000; seed 3; "
        "objective balanced_accuracy,params; epochs 7; data /there/shapes"
    )
    given = asked(tmp_path, space="wide", epochs=7, seed=3, constraints=["params < 60000"], data="/there/shapes")
    assert kept(given, existing(given)) == "study search exists and keeps its own objective balanced_accuracy,params"
    check_study(found)


@pytest.mark.parametrize(
    "given", [{"constraints": ["params < 1k"]}, {"seed": 0}, {"objective": "accuracy"}, {"epochs": 20}]
)
def test_what_is_given_stays_and_is_refused(study: optuna.Study, tmp_path: Path, given: dict[str, Any]) -> None:
    found = settled(asked(tmp_path, **given))
    (name,) = given
    assert getattr(found, name) == getattr(asked(tmp_path, **given), name)
    with pytest.raises(UnusableInputError, match=f"made with other {name}: .* out to keep its own, or"):
        check_study(found)
    assert settled(asked(tmp_path, data="digits")).data == "digits"


def test_epochs_are_kept_where_the_data_does_not_choose_them(study: optuna.Study, tmp_path: Path) -> None:
    assert settled(asked(tmp_path, recipe="sgd")).epochs == 7
    assert "epochs" not in settled(asked(tmp_path)).model_fields_set, "chosen later"


def test_a_new_study_has_the_defaults(study: optuna.Study, tmp_path: Path) -> None:
    for flags in ({"study": "other"}, {"storage": str(tmp_path / "none.log")}):
        before = asked(tmp_path, **flags)
        assert existing(before) is None
        assert settled(before) is before
        assert kept(before, existing(before)) == ""
    assert not (tmp_path / "none.log").exists()


def test_a_user_s_metrics_must_be_given_again(study: optuna.Study, tmp_path: Path) -> None:
    study.set_user_attr(IDENTITY, {**MADE_WITH, "metrics": {"name": "own.py", "hash": "m"}})
    with pytest.raises(UnusableInputError, match=r"'search' measures networks by own\.py: give that file: --metrics"):
        settled(asked(tmp_path))
    assert settled(asked(tmp_path, metrics="own.py")).seed == 3
