"""A database's study, of which only new and unfinished trials are read again."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from constraints.errors import UnusableInputError
from nas import optuna_private
from nas.results.database_summary import names, of_study, opened
from nas.results.trial_summary import StudySummary
from tests.nas.results.known import BEGUN, add


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the trials that each reading took from the database."""
    taken: list[int] = []
    before = optuna_private.trials_after

    def trials_after(*args: Any) -> dict[int, Any]:
        found = before(*args)
        taken.extend(trial.number for trial in found.values())
        return found

    monkeypatch.setattr(optuna_private, "trials_after", trials_after)
    return taken


def created(url: str, name: str = "s") -> optuna.Study:
    return optuna.create_study(storage=url, study_name=name, direction="maximize")


def summary(url: str, name: str = "s") -> StudySummary:
    with opened(url) as storage:
        return of_study(storage, url, name)


def seen(url: str) -> list[tuple[int, str, str | None, dict[int, float]]]:
    return [(t.number, t.state.name, t.network, dict(t.intermediate_values)) for t in summary(url).trials]


def test_a_study_without_trials_is_empty(url: str) -> None:
    created(url).set_user_attr("target", 0.5)
    for _ in range(2):
        found = summary(url)
        assert (found.study_name, found.trials, found.user_attrs["target"]) == ("s", [], 0.5)


def test_only_what_may_have_changed_is_read_again(url: str, read: list[int]) -> None:
    study = created(url)
    add(study, [0.5], params=3)
    add(study, [0.6], params=3, state=TrialState.RUNNING)
    add(study, [0.7], params=3)
    summary(url)
    assert sorted(read) == [0, 1, 2]
    for more, wanted in ((0, [1, 2]), (1, [1, 2, 3]), (0, [1, 3])):
        for _ in range(more):
            add(study, [0.8], params=3)
        read.clear()
        summary(url)
        assert sorted(read) == wanted
    study.tell(1, 0.9)
    read.clear()
    assert seen(url)[1] == (1, "COMPLETE", "network-1", {1: 0.6})
    read.clear()
    summary(url)
    assert read == [3]


def test_attributes_of_the_study_are_always_its_own(url: str) -> None:
    study = created(url)
    for target in (0.5, 0.75):
        study.set_user_attr("target", target)
        assert summary(url).user_attrs["target"] == target


@pytest.mark.parametrize("last", ["network", ""])
def test_a_database_made_anew_is_read_anew(url: str, last: str) -> None:
    """Also where its last trial has no network, as that of the database before it had none."""
    for accuracy in (0.5, 0.75):
        study = created(url)
        add(study, [accuracy], params=3, network=f"of {accuracy}")
        end = create_trial(state=TrialState.FAIL, user_attrs={"architecture": last} if last else {})
        end.datetime_start = BEGUN + timedelta(days=accuracy)
        study.add_trial(end)
        assert seen(url) == [(0, "COMPLETE", f"of {accuracy}", {1: accuracy}), (1, "FAIL", last or None, {})]
        Path(url.removeprefix("sqlite:///")).unlink()


def test_a_database_made_anew_with_fewer_or_more_trials_is_read_anew(url: str) -> None:
    for count in (3, 1, 4):
        study = created(url)
        for number in range(count):
            add(study, [count / 8], params=3, network=f"{number} of {count}")
        study.trials[-1].datetime_start = datetime.now()
        assert [(t.network, t.intermediate_values) for t in summary(url).trials] == [
            (f"{number} of {count}", {1: count / 8}) for number in range(count)
        ]
        Path(url.removeprefix("sqlite:///")).unlink()


def test_a_damaged_cache_costs_time_only(url: str, tmp_path: Path) -> None:
    add(created(url), [0.5], params=3)
    before = seen(url)
    (kept,) = (tmp_path / "cache").rglob("*.json")
    for text in ("", "{}", kept.read_text("utf-8")[:-9], "4 x\n[]"):
        kept.write_text(text, "utf-8")
        assert seen(url) == before
    kept.unlink()
    kept.mkdir()
    assert seen(url) == before


def test_studies_of_one_name_in_two_databases_are_told_apart(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    for place, accuracy in ((url, 0.25), (other, 0.5)):
        add(created(place), [accuracy], params=3)
        summary(place)
    assert [seen(place)[0][3] for place in (url, other)] == [{1: 0.25}, {1: 0.5}]


def test_names_are_in_the_order_of_creation(url: str) -> None:
    for name in ("b", "c", "a"):
        created(url, name)
    with opened(url) as storage:
        assert isinstance(storage, RDBStorage)
        assert names(storage) == ["b", "c", "a"]


def test_a_database_that_is_not_there_is_refused(url: str) -> None:
    with pytest.raises(UnusableInputError, match="nothing was launched here"), opened(url):
        pass
    assert not Path(url.removeprefix("sqlite:///")).exists()
