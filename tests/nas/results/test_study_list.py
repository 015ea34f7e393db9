"""The studies of a storage, with what a board of each says; those of other programs are listed without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from constraints.errors import UnusableInputError
from nas.results.study_list import StudyEntry, studies
from nas.search.holding import hold
from nas.search.storage import open_storage
from nas.search.study import CURVE, DATA, IDENTITY, TARGET
from tests.nas.results.known import add, known_study, network_study

MADE_WITH = {"data": {"name": "digits", "hash": "d"}, "space": {"name": "tiny", "hash": "s"}, "objective": "accuracy"}
NONE = {"complete": 0, "pruned": 0, "running": 0, "unfinished": 0, "failed": 0}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.log")


def created(journal: str, name: str, **attrs: Any) -> optuna.Study:
    made = optuna.create_study(storage=open_storage(journal, write=True), study_name=name, direction="maximize")
    for key, value in attrs.items():
        made.set_user_attr(key, value)
    return made


def test_a_study_is_told_by_what_it_was_made_with(journal: str) -> None:
    study = network_study(Path(journal))
    study.set_user_attr(IDENTITY, MADE_WITH)
    assert studies(journal) == [
        StudyEntry(
            study="networks",
            data="shapes",
            space="tiny",
            objective="accuracy",
            target=0.85,
            counts={"complete": 2, "pruned": 0, "running": 0, "unfinished": 1, "failed": 0},
            best=0.875,
            is_readable=True,
        )
    ]
    (entry,) = studies(journal)
    assert entry.as_dict()["counts"]["complete"] == 2
    assert list(entry.as_dict())[:2] == ["study", "data"]


def test_a_damaged_study_is_listed_as_such(journal: str) -> None:
    study = network_study(Path(journal))
    study.set_user_attr(IDENTITY, MADE_WITH)
    study.set_user_attr(TARGET, "high")
    (entry,) = studies(journal)
    assert (entry.is_readable, entry.is_damaged, entry.counts["complete"]) == (False, True, 2)


def test_an_unfinished_trial_runs_only_while_a_launch_does(journal: str) -> None:
    known_study(Path(journal))
    with hold(journal, "known"):
        assert studies(journal)[0].counts["running"] == 1
        assert studies(journal)[0].counts["unfinished"] == 0
    assert studies(journal)[0].counts["unfinished"] == 1


def test_studies_are_in_the_order_of_their_making(journal: str) -> None:
    for name in ("b", "c", "a"):
        created(journal, name, **{IDENTITY: MADE_WITH})
    assert [one.study for one in studies(journal)] == ["b", "c", "a"]


def test_a_study_without_trials_has_no_best_one(journal: str) -> None:
    created(journal, "new", **{IDENTITY: MADE_WITH, TARGET: 0.5, DATA: "digits"})
    (entry,) = studies(journal)
    assert (entry.best, entry.target, entry.counts, entry.is_readable) == (None, 0.5, NONE, True)


def test_an_own_objective_under_our_sampler_is_readable(journal: str) -> None:
    add(created(journal, "own"), [0.5], params=3)
    (entry,) = studies(journal)
    assert (entry.is_readable, entry.space, entry.objective, entry.best) == (True, "", "", 0.5)


@pytest.mark.parametrize(
    "attrs",
    [{}, {IDENTITY: 7}, {IDENTITY: ["space"]}, {TARGET: "high"}, {DATA: 3}],
    ids=["nothing", "number", "list", "target", "data"],
)
def test_a_study_of_another_program_is_counted_and_no_more(journal: str, attrs: dict[str, Any]) -> None:
    study = created(journal, "theirs", **attrs)
    for state in (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING):
        study.add_trial(create_trial(state=state, value=1.0 if state == TrialState.COMPLETE else None))
    (entry,) = studies(journal)
    assert not entry.is_readable
    assert entry.counts == {**NONE, "complete": 1, "failed": 1, "pruned": 1, "unfinished": 2}
    assert (entry.best, entry.target, entry.data, entry.space, entry.objective) == (None, None, "", "", "")


def test_a_damaged_study_does_not_hide_the_others(journal: str) -> None:
    damaged = created(journal, "damaged", **{IDENTITY: MADE_WITH})
    damaged.add_trial(create_trial(value=1.0, user_attrs={"architecture": "n", CURVE: 3}))
    known_study(Path(journal))
    found = {one.study: one.is_readable for one in studies(journal)}
    assert found == {"damaged": False, "known": True}


@pytest.mark.parametrize("space", ["tiny", {}, {"name": 3}, None])
def test_a_space_that_is_not_as_stored_has_no_name(journal: str, space: Any) -> None:
    created(journal, "odd", **{IDENTITY: MADE_WITH | {"space": space}})
    assert [one.space for one in studies(journal)] == [""]


def test_no_storage_is_refused(journal: str) -> None:
    with pytest.raises(UnusableInputError, match="nothing was launched here"):
        studies(journal)
