"""What a leaderboard reads of studies: those of others and those with lost lines are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from constraints.errors import UnusableInputError
from nas.results.board import Leaderboard, leaderboard
from nas.results.summary_cache import read_summary
from nas.search.storage import open_storage
from nas.search.study import CURVE, IDENTITY
from nas.search.study_opening import load
from nas.space.attributes import ARCHITECTURE


@pytest.mark.parametrize(
    ("objective", "costs"),
    [("accuracy", ("params",)), ("accuracy,macs", ("macs",)), ("accuracy,macs,params", ("macs", "params"))],
)
def test_the_front_weighs_accuracy_against_what_the_study_minimises(
    study: optuna.Study, objective: str, costs: tuple[str, ...]
) -> None:
    study.set_user_attr(IDENTITY, {"objective": objective})
    assert leaderboard(study).costs == costs


def theirs(study_attrs: dict[str, Any], trial_attrs: dict[str, Any]) -> optuna.Study:
    """A study that this tool did not make."""
    study = optuna.create_study(study_name="theirs")
    for name, value in study_attrs.items():
        study.set_user_attr(name, value)
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=1.0, user_attrs=trial_attrs))
    return study


OWN = {"architecture": "BR/c8/fc", "params": 3, "macs": 4, "receptive_field": 5}


@pytest.mark.parametrize(
    ("study_attrs", "trial_attrs", "reason"),
    [
        ({}, {}, "none of its trials is a network"),
        ({}, {"architecture": "BR/c8/fc"}, "trial 0 does not hold what a candidate's does"),
        ({}, {**OWN, "params": "many"}, "trial 0 does not hold"),
        ({}, {**OWN, "macs": None}, "trial 0 does not hold"),
        ({}, {**OWN, "receptive_field": []}, "trial 0 does not hold"),
        ({}, {**OWN, "receptive_field": float("inf")}, "trial 0 does not hold"),
        ({}, {**OWN, "params": 10**400}, "trial 0 does not hold"),
        ({}, {**OWN, "macs": -(10**400)}, "trial 0 does not hold"),
        ({}, {**OWN, "curve": 3}, "trial 0 does not hold"),
        ({}, {**OWN, "curve": [{"val_accuracy": 0.5, "seconds": float("nan")}]}, "trial 0 does not hold"),
        ({}, {**OWN, "curve": [{"val_accuracy": 0.5, "seconds": float("inf")}]}, "trial 0 does not hold"),
        ({}, {**OWN, "curve": [{"val_accuracy": "high", "seconds": 1}]}, "trial 0 does not hold"),
        ({"confirmed:0": 3}, OWN, "trial 0 does not hold"),
        ({"identity": 3}, OWN, "its identity is missing, or of another kind"),
        ({"identity": {"objective": "accuracy,beauty"}}, OWN, "its objective weighs accuracy against beauty"),
        ({"rejected": [1]}, OWN, "its rejected is of another kind"),
        ({"target": "high"}, {**OWN, "architecture": "x"}, "trial 0 does not hold"),
    ],
)
def test_a_study_of_others_is_refused_by_its_name(
    study_attrs: dict[str, Any], trial_attrs: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnusableInputError, match=f"^study 'theirs' was not made by this tool: {reason}"):
        leaderboard(theirs(study_attrs, trial_attrs))


def test_a_first_trial_that_has_no_network_yet_is_waited_for() -> None:
    study = optuna.create_study(study_name="theirs")
    study.ask()
    assert leaderboard(study).rows == ()


def test_networks_that_no_launch_proposed_are_shown() -> None:
    assert [row.trial for row in leaderboard(theirs({}, OWN)).rows] == [0]


def searched(place: Path) -> list[str]:
    """The lines of a journal of two trials of two epochs, written as a driver writes them."""
    study = optuna.create_study(storage=open_storage(str(place), write=True), study_name="s", direction="maximize")
    study.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": "d"}})
    for number in range(2):
        trial = study.ask()
        for name in ("params", "macs", "receptive_field"):
            trial.set_user_attr(name, 45)
        trial.set_user_attr(ARCHITECTURE, f"network-{number}")
        for epoch in (1, 2):
            curve = [{"epoch": e, "val_accuracy": e / 4, "seconds": 1.0} for e in range(1, epoch + 1)]
            trial.set_user_attr(CURVE, curve)
            trial.report(epoch / 4, epoch)
        study.tell(trial, 0.5)
    return place.read_text().splitlines(keepends=True)


def read(place: Path, *, in_short: bool) -> Leaderboard:
    return leaderboard(read_summary(str(place), None) if in_short else load(open_storage(str(place)), None))


@pytest.mark.parametrize("in_short", [False, True])
@pytest.mark.parametrize(
    "lost", ['"architecture"', '"curve":[{"epoch":1,"val_accuracy":0.25,"seconds":1.0},', '{"op_code":4,']
)
def test_a_journal_that_lost_lines_is_named(tmp_path: Path, lost: str, in_short: bool) -> None:
    place = tmp_path / "journal.log"
    lines = searched(place)
    assert len(read(place, in_short=in_short).rows) == 2
    where = [i for i, line in enumerate(lines) if lost in line]
    assert where
    for i in where:
        place.write_text("".join(lines[:i] + lines[i + 1 :]))
        (tmp_path / "journal.log.digest.json").unlink(missing_ok=True)
        with pytest.raises(UnusableInputError, match=r"lost lines: trial \d has an end|lines do not fit together"):
            read(place, in_short=in_short)


@pytest.mark.parametrize("in_short", [False, True])
@pytest.mark.parametrize("where", [1, -1])
def test_a_line_that_nests_without_end_is_named(tmp_path: Path, where: int, in_short: bool) -> None:
    place = tmp_path / "journal.log"
    lines = searched(place)
    lines[where] = "[" * 100_000 + "\n"
    place.write_text("".join(lines))
    with pytest.raises(UnusableInputError, match=f"line {where % len(lines) + 1} is damaged"):
        read(place, in_short=in_short)


def test_a_study_of_others_without_a_complete_trial_is_not_shown_as_empty() -> None:
    study = optuna.create_study(study_name="theirs")
    study.add_trial(create_trial(state=TrialState.PRUNED))
    with pytest.raises(UnusableInputError, match=r"^study 'theirs' was not made by this tool: none of "):
        leaderboard(study)


def test_a_trial_that_failed_before_it_had_a_network_makes_no_study_one_of_others() -> None:
    study = optuna.create_study(study_name="mine")  # whose objective raised before it asked nas.suggest
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert leaderboard(study).rows == ()
