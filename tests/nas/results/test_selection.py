from __future__ import annotations

import re
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from constraints.errors import UnusableInputError
from nas.architecture.named import SEED
from nas.results.selection import best, find
from nas.space.attributes import GIVEN, ORIGIN
from nas.space.attributes import SEED as SEEDED
from tests.nas.results.known import PLAIN, add


def test_a_trial_is_found_by_number_or_text(study: optuna.Study) -> None:
    assert (
        find(study, "3", is_live=None).trial
        == find(study, 3, is_live=None).trial
        == find(study, "network-3", is_live=None).trial
        == 3
    )


def test_what_no_launch_works_on_is_unfinished(study: optuna.Study) -> None:
    states = [find(study, 4, is_live=is_live).state for is_live in (None, True, False)]
    assert states == ["running", "running", "unfinished"]


def test_the_best_is_complete_even_where_another_is_more_accurate(study: optuna.Study) -> None:
    add(study, [0.99], params=10_000, state=TrialState.PRUNED)
    assert find(study, "best", is_live=None).trial == 1
    assert [row.trial for row in best(study, 2, is_live=None)] == [1, 2]


def test_a_network_is_found_by_any_spelling_and_by_its_name() -> None:
    study = optuna.create_study()
    add(study, [0.5], params=1, network=PLAIN)
    add(study, [0.6], params=1, network=str(SEED))
    assert find(study, f" {PLAIN}", is_live=None).trial == 0
    assert find(study, "seed", is_live=None).trial == 1


def attributes(origin: str) -> dict[str, Any]:
    return {ORIGIN: origin, "receptive_field": 9, SEEDED: 0}


def test_an_origin_of_several_networks_is_refused_and_one_of_several_trainings_is_the_best() -> None:
    study = optuna.create_study()
    for accuracy, network in ((0.5, PLAIN), (0.6, PLAIN), (0.4, str(SEED))):
        name = "net.py:Net" if network == PLAIN else "net.py:Changed"
        add(study, [accuracy], params=1, network=network, **attributes(name))
    assert find(study, "net.py:Net", is_live=None).trial == 1
    add(study, [0.9], params=2, network=str(SEED), **attributes("net.py:Net"))
    with pytest.raises(UnusableInputError, match=r"^several networks came from 'net.py:Net': trials 0, 1, 3: give the"):
        find(study, "net.py:Net", is_live=None)


def given(study: optuna.Study, accuracy: float, key: str, *, macs: int | None) -> None:
    """A trial of ``net.py:Net`` that stores the identity ``key``, where there is one."""
    stored: dict[str, Any] = {GIVEN: {"key": key}} if key else {}
    add(study, [accuracy], network=PLAIN, macs=macs, **attributes("net.py:Net"), **stored)


def test_the_stored_identity_decides_whether_two_trials_are_of_one_network() -> None:
    study = optuna.create_study()
    given(study, 0.5, "Net({}) 12ab", macs=None)
    given(study, 0.6, "Net({}) 12ab", macs=7)  # a release that counts what one before did not, and corrects another
    assert find(study, "net.py:Net", is_live=None).trial == 1
    given(study, 0.7, "Net({}) 34cd", macs=7)  # the same figures by other code
    with pytest.raises(UnusableInputError, match=r"^several networks came from 'net.py:Net': trials 0, 1, 2: give the"):
        find(study, "net.py:Net", is_live=None)


def test_without_a_stored_identity_the_figures_that_both_trials_know_decide() -> None:
    study = optuna.create_study()
    given(study, 0.5, "", macs=None)
    given(study, 0.6, "", macs=7)
    assert find(study, "net.py:Net", is_live=None).trial == 1
    given(study, 0.7, "", macs=8)
    with pytest.raises(UnusableInputError, match=r"^several networks came from 'net.py:Net': trials 0, 1, 2: give the"):
        find(study, "net.py:Net", is_live=None)


def test_where_all_that_are_complete_break_a_rule_a_number_is_advised() -> None:
    study = optuna.create_study(study_name="mine")
    add(study, [0.9], params=1, broken=["params < 1"])
    with pytest.raises(
        UnusableInputError, match=r"no trial that keeps the rules is complete: .*: give a trial's number"
    ):
        find(study, "best", is_live=False)


def test_where_none_is_complete_the_error_says_what_there_is() -> None:
    study = optuna.create_study(study_name="new")
    with pytest.raises(UnusableInputError, match=r"^no trial is complete: study new holds no trials: let the search"):
        best(study, is_live=None)
    add(study, [0.4], params=1, state=TrialState.PRUNED)
    add(study, [0.4], params=1, state=TrialState.PRUNED)
    add(study, [], params=1, state=TrialState.RUNNING)
    with pytest.raises(UnusableInputError, match="study new holds 2 pruned, 1 running: let the search continue"):
        find(study, "best", is_live=None)
    with pytest.raises(UnusableInputError, match="study new holds 2 pruned, 1 unfinished: launch again, which"):
        find(study, "best", is_live=False)


@pytest.mark.parametrize(
    ("trial", "remedy"),
    [
        ("99", "; give a number, best or an architecture"),
        ("network-9", "; give a number, best or an architecture"),
        ("seed", ", none of that network; give a number or best, or train it: search.py train"),
        ("BR/c8/fc", ", none of that network; give a number or best, or train it: search.py train"),
    ],
)
def test_what_the_study_does_not_hold(study: optuna.Study, trial: str, remedy: str) -> None:
    message = f"no such trial: '{trial}': the study holds trials 0 to 5{remedy}"
    with pytest.raises(UnusableInputError, match=re.escape(message)):
        find(study, trial, is_live=None)
