"""Studies that exist are opened by their names, or as the newest."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage

from constraints.errors import UnusableInputError
from nas.search.study_opening import NewestStudyWarning, load, open_study, quiet


def test_without_a_name_the_newest_study_is_taken() -> None:
    storage = InMemoryStorage()
    with pytest.raises(UnusableInputError, match="no study in this storage"):
        load(storage, None)
    optuna.create_study(storage=storage, study_name="a")
    assert load(storage, None).study_name == "a"
    with pytest.raises(UnusableInputError, match="no such study: 'b': this storage holds 'a'"):
        load(storage, "b")
    optuna.create_study(storage=storage, study_name="b")
    assert load(storage, "b").study_name == "b"
    with pytest.warns(NewestStudyWarning, match="2 studies in this storage, the newest is taken: b: study= chooses"):
        assert load(storage, None).study_name == "b"


def test_an_unknown_name_lists_the_newest_studies() -> None:
    storage = InMemoryStorage()
    for number in range(8):
        optuna.create_study(storage=storage, study_name=f"study-{number}")
    words = "this storage holds 'study-7', 'study-6', 'study-5', 'study-4', 'study-3' and 3 more"
    with pytest.raises(UnusableInputError, match=f"^no such study: 'zzz': {words}$"):
        load(storage, "zzz")
    with pytest.raises(UnusableInputError, match=r"^no such study: 'study-9': did you mean study-"):
        load(storage, "study-9")


def test_a_study_is_open_as_long_as_its_block(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    optuna.create_study(storage=url, study_name="only")
    with open_study(url) as study:
        assert study.study_name == "only"
    with pytest.raises(UnusableInputError, match=r"^no such study: 'other'"), open_study(url, "other"):
        pass


def test_optuna_is_quiet_for_a_while(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    with quiet():
        optuna.create_study()
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr().err == ""
