from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.search.study import DATA, IDENTITY, SOURCE, data_place
from nas.search.study_data import load_study_data
from nas.training import datasets


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    study = optuna.create_study(study_name="known")
    study.set_user_attr(IDENTITY, {"data": {"hash": datasets.load("digits").content_hash}})
    return study


def test_the_data_is_read_where_it_was(study: optuna.Study) -> None:
    study.set_user_attr(SOURCE, "digits")
    assert load_study_data(study).name == "digits"


def test_or_where_it_is_now(study: optuna.Study) -> None:
    study.set_user_attr(SOURCE, "gone.tar")
    with pytest.raises(UnusableInputError, match=r"^no such data: gone\.tar"):
        load_study_data(study)
    assert load_study_data(study, "digits").name == "digits"


def test_a_study_of_the_digits_that_auto_fell_back_to_stays_one(study: optuna.Study, tmp_path: Path) -> None:
    """CIFAR-10 would be found now, and be other data: its place is given, though it holds none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_DATA", str(tmp_path / "cifar10"))
        study.set_user_attr(SOURCE, "auto")
        study.set_user_attr(DATA, "cifar10")
        assert data_place(study, "") == "auto"
        study.set_user_attr(DATA, "digits")
        assert data_place(study, "") == "digits"
        assert load_study_data(study).name == "digits"


def test_other_data_is_refused(study: optuna.Study) -> None:
    study.set_user_attr(IDENTITY, {"data": {"hash": "another"}})
    with pytest.raises(UnusableInputError, match=r"^other data: digits is not what study 'known' was made with: give"):
        load_study_data(study, "digits")


@pytest.mark.parametrize("place", [None, 3, ["digits"], {}, True])
def test_a_place_that_is_no_text_is_of_another_program(study: optuna.Study, place: object) -> None:
    study.set_user_attr(SOURCE, place)
    with pytest.raises(UnusableInputError, match=r"^study 'known' is damaged: its source is of another"):
        load_study_data(study)
    assert load_study_data(study, "digits").name == "digits"
