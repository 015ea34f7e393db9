"""``nas.enqueue`` and ``nas.open_study`` name keywords where the command names flags, and leave nothing open."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

import nas
from constraints.errors import UnusableInputError
from nas.search import enqueueing, study_opening
from tests.nas.results.known import known_study


@pytest.fixture
def journal(here: Path) -> Path:
    known_study(here / "journal.log")
    return here / "journal.log"


def test_a_study_is_opened_as_optunas_own(journal: Path) -> None:
    for storage in (journal, str(journal)):
        with nas.open_study(storage, "known") as study:
            assert isinstance(study, optuna.Study)
            assert len(study.trials) == 7
    with nas.open_study(journal) as study:
        assert study.study_name == "known"


def test_a_study_that_is_not_there_is_refused_by_keywords(journal: Path) -> None:
    for call in (
        lambda: nas.open_study(journal, "knwn").__enter__(),
        lambda: nas.enqueue("seed", study="knwn", storage=journal),
    ):
        with pytest.raises(UnusableInputError, match=r"^no such study: 'knwn': did you mean known\?$") as caught:
            call()
        assert "--" not in str(caught.value)


def test_no_storage_is_said_without_a_flag(tmp_path: Path) -> None:
    with pytest.raises(
        UnusableInputError, match="nothing was launched here: launch a search, or give storage"
    ) as caught:
        nas.open_study(tmp_path / "none.log").__enter__()
    assert "--" not in str(caught.value)
    assert not (tmp_path / "none.log").exists()


def test_an_error_of_the_block_is_the_callers_own(journal: Path) -> None:
    with pytest.raises(ZeroDivisionError), nas.open_study(journal):
        raise ZeroDivisionError
    with nas.open_study(journal) as study:
        assert study.study_name == "known"


def test_an_argument_of_another_kind_is_named(journal: Path) -> None:
    with pytest.raises(UnusableInputError, match="networks"):
        nas.enqueue(7, storage=journal)  # type: ignore[arg-type]


def test_both_are_documented_as_what_they_stand_for() -> None:
    assert nas.enqueue.__doc__ == enqueueing.enqueue.__doc__
    assert nas.open_study.__doc__ == study_opening.open_study.__doc__
