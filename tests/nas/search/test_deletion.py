"""What deleting a study removes, and what it never does."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.search.deletion import JOBS, Deletion, delete, planned
from nas.search.holding import hold
from nas.search.storage import open_storage
from nas.search.study import IDENTITY
from nas.search.study_folder import claim
from tests.nas.results.known import add
from tests.nas.search.identities import identity

MADE_WITH = identity()


@pytest.fixture
def journal(tmp_path: Path) -> str:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (tmp_path / "runs").mkdir()
    return str(tmp_path / "runs" / "journal.log")


def created(journal: str, name: str = "search") -> optuna.Study:
    study = optuna.create_study(storage=open_storage(journal, write=True), study_name=name, direction="maximize")
    study.set_user_attr(IDENTITY, MADE_WITH)
    return study


def names(journal: str) -> list[str]:
    return optuna.get_all_study_names(open_storage(journal))


def below(journal: str) -> list[str]:
    """The files and folders beside the journal."""
    return sorted(path.name for path in Path(journal).parent.iterdir() if not path.name.startswith("journal.log"))


def test_a_study_goes_with_its_own_folder_and_no_other(journal: str) -> None:
    for name in ("search", "other"):
        study = created(journal, name)
        add(study, [0.5], params=3)
        (claim(journal, study) / "trial-00000").mkdir()
    plan = planned(journal, "search")
    assert plan == Deletion(study="search", trials=1, folder=Path(journal).parent / "search")
    assert below(journal) == ["other", "search"], "nothing is deleted by planning"
    delete(journal, plan)
    assert (names(journal), below(journal)) == (["other"], ["other"])


def test_a_study_that_never_trained_has_no_folder_and_leaves_none(journal: str) -> None:
    created(journal)
    plan = planned(journal, "search")
    assert plan.folder is None
    assert below(journal) == []
    delete(journal, plan)
    assert (names(journal), below(journal)) == ([], [])


@pytest.mark.parametrize("name", ["../photos", "..", ".", "a/b"])
def test_a_name_that_leads_elsewhere_deletes_nothing(journal: str, name: str) -> None:
    photos = Path(journal).parent.parent / "photos"
    photos.mkdir()
    (photos / "one").write_text("x")
    created(journal, name)
    with pytest.raises(UnusableInputError, match="has no folder, since its name is no name of one"):
        planned(journal, name)
    with pytest.raises(UnusableInputError, match="has no folder, since its name is no name of one"):
        delete(journal, Deletion(study=name, trials=0, folder=photos))
    assert (photos / "one").exists()
    assert names(journal) == [name]
    assert below(journal) == []


@pytest.mark.parametrize("job", JOBS)
def test_a_study_that_is_held_is_not_deleted(journal: str, job: str) -> None:
    created(journal)
    plan = planned(journal, "search")
    with hold(journal, "search", job):
        for refused in (lambda: planned(journal, "search"), lambda: delete(journal, plan)):
            with pytest.raises(UnusableInputError, match="is held by another process"):
                refused()
    assert names(journal) == ["search"]
    delete(journal, plan)
    assert names(journal) == []


def test_an_earlier_deletion_that_left_its_files_is_in_nobodys_way(journal: str) -> None:
    study = created(journal)
    folder = claim(journal, study)
    folder.with_name("search.deleted").mkdir()
    delete(journal, planned(journal, "search"))
    assert below(journal) == ["search.deleted"]


def test_a_study_of_another_program_is_not_deleted(journal: str) -> None:
    optuna.create_study(storage=open_storage(journal, write=True), study_name="theirs")
    with pytest.raises(UnusableInputError, match="was made by no launch"):
        planned(journal, "theirs")
    with pytest.raises(UnusableInputError, match="no such study: 'other'"):
        planned(journal, "other")
