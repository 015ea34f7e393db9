import re
from enum import IntEnum
from pathlib import Path

import optuna.trial
import pytest
from optuna.storages.journal import _storage

from constraints.errors import UnusableInputError
from nas.search import stored


def numbers(names: type[IntEnum]) -> dict[str, int]:
    return {one.name: one.value for one in names}


def test_the_numbers_are_optunas() -> None:
    assert numbers(stored.TrialState) == numbers(optuna.trial.TrialState)
    assert numbers(stored.LineOperation) == numbers(_storage.JournalOperation)


def test_the_same_states_are_finished() -> None:
    for state in optuna.trial.TrialState:
        ours = stored.TrialState(state)
        assert ours.is_finished() == state.is_finished()
        assert {ours, state} == {ours}  # equal as keys, too


@pytest.mark.parametrize(("place", "expected"), [("runs/journal.log", False), ("sqlite:///a.db", True)])
def test_a_database_is_recognised_by_its_url(place: str, expected: bool) -> None:
    assert stored.is_database(place) is expected


def test_the_files_of_a_study_are_beside_the_journal_or_below_runs() -> None:
    assert stored.run_folder("here/journal.log", "s") == Path("here/s")
    assert stored.run_folder("postgresql://h/d", "s") == Path("runs/s")


@pytest.mark.parametrize("name", ["", ".", "..", "../photos", "/home/me", "a/b", "a/..", "a\0b"])
def test_a_name_that_leads_elsewhere_is_no_name_of_a_folder(name: str) -> None:
    with pytest.raises(
        UnusableInputError, match=rf"^study {re.escape(repr(name))} has no folder, since its name is no"
    ):
        stored.run_folder("here/journal.log", name)


@pytest.mark.parametrize("name", ["s", "...", "..s", "a b", "~", "-", "ü"])
def test_any_other_name_is(name: str) -> None:
    assert stored.run_folder("here/journal.log", name) == Path("here") / name
