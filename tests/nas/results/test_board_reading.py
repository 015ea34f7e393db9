"""What a leaderboard reads of studies: those of others and those with lost lines are refused."""

from __future__ import annotations

import json
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


OWN = {"architecture": "BR/c8/fc", "params": 322, "macs": 221_264, "receptive_field": 3}
"""3 * 8 * 9 weights and 16 values of the norm, 8 * 10 weights and 10 biases; 216 * 32 * 32 + 80."""
WIDER = {"architecture": "BR/c16/fc", "params": 634, "macs": 442_528, "receptive_field": 3}
"""3 * 16 * 9 weights and 32 values of the norm, 16 * 10 weights and 10 biases; 432 * 32 * 32 + 160."""


@pytest.mark.parametrize(
    ("study_attrs", "trial_attrs", "reason"),
    [
        ({}, {}, "none of its trials is a network"),
        ({}, {"architecture": "BR/c8/fc"}, "trial 0: it has a network without params, which this"),
        ({}, {**OWN, "params": 5}, "trial 0: params is 5, where its network has 322"),
        ({}, {**OWN, "macs": 221_265}, "trial 0: macs is 221,265, where its network has 221,264"),
        ({}, {**OWN, "receptive_field": 45}, "trial 0: receptive_field is 45, where its network has 3"),
        ({}, {**OWN, "architecture": "BR/c9/fc"}, "trial 0: params is 322, where its network has 361"),
        ({}, {**OWN, "params": "many"}, "trial 0: params is 'many', where a whole number of at least 0 must be"),
        ({}, {**OWN, "macs": None}, "trial 0: macs is None, where"),
        ({}, {**OWN, "receptive_field": []}, r"trial 0: receptive_field is \[\], where"),
        ({}, {**OWN, "receptive_field": float("inf")}, "trial 0: receptive_field is inf, where"),
        ({}, {**OWN, "params": 10**400}, "trial 0: params is 100000"),
        ({}, {**OWN, "macs": -(10**400)}, "trial 0: macs is -100000"),
        ({}, {**OWN, "curve": 3}, "trial 0: curve is 3, where a list must be"),
        (
            {},
            {**OWN, "curve": [{"val_accuracy": 0.5, "seconds": float("nan")}]},
            r"trial 0: curve\[0\].seconds is nan, where",
        ),
        (
            {},
            {**OWN, "curve": [{"val_accuracy": 0.5, "seconds": float("inf")}]},
            r"trial 0: curve\[0\].seconds is inf, where",
        ),
        (
            {},
            {**OWN, "curve": [{"val_accuracy": "high", "seconds": 1}]},
            r"trial 0: curve\[0\].val_accuracy is 'high', where",
        ),
        ({"confirmed:0": 3}, OWN, "confirmed:0 is 3, where a table must be"),
        ({"identity": 3}, OWN, "identity is 3, where a table must be"),
        ({"rejected": [1]}, OWN, r"rejected is \[1\], where a table must be"),
        ({"target": "high"}, {**OWN, "architecture": "x"}, "target is 'high', where a finite number must be"),
    ],
)
def test_a_study_of_others_is_refused_by_its_name(
    study_attrs: dict[str, Any], trial_attrs: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnusableInputError, match=f"^study 'theirs' was not made by this tool: {reason}"):
        leaderboard(theirs(study_attrs, trial_attrs))


def test_a_launched_study_is_damaged_where_a_value_is_of_another_kind() -> None:
    with pytest.raises(UnusableInputError) as caught:
        leaderboard(theirs({"identity": {"epochs": 3, "data": {"hash": "d"}}}, {**OWN, "params": "many"}))
    assert str(caught.value) == (
        "study 'theirs' is damaged: trial 0: params is 'many', where a whole number of at least 0 must be: restore its "
        "storage from a copy, or give another study"
    )
    with pytest.raises(UnusableInputError, match="its objective weighs accuracy against beauty: give"):
        leaderboard(theirs({"identity": {"objective": "accuracy,beauty"}}, OWN))


def test_an_accuracy_that_is_stored_twice_must_be_the_same() -> None:
    study = optuna.create_study(study_name="theirs")
    curve = [{"val_accuracy": 0.5, "seconds": 1.0}]
    attrs = {**OWN, "curve": curve}
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=1.0, user_attrs=attrs, intermediate_values={1: 0.25}))
    with pytest.raises(
        UnusableInputError, match=r"curve\[0\].val_accuracy is 0.5, where its intermediate value 1 is 0.25"
    ):
        leaderboard(study)


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
    for attrs in (OWN, WIDER):
        trial = study.ask()
        for name in ("params", "macs", "receptive_field", ARCHITECTURE):
            trial.set_user_attr(name, attrs[name])
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


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("params", 5, "trial 1: params is 5, where its network has 634"),
        ("params", 633, "trial 1: params is 633, where its network has 634"),
        ("macs", 442_529, "trial 1: macs is 442,529, where its network has 442,528"),
        ("receptive_field", 2, "trial 1: receptive_field is 2, where its network has 3"),
        ("architecture", "BR/x16/fc", "trial 1: architecture is no network: not a layer: 'x16'"),
        ("params", "634", "trial 1: params is '634', where a whole number"),
    ],
)
def test_a_wrong_value_is_named_at_every_reading_and_each_right_trial_is_checked_once(
    tmp_path: Path, key: str, value: object, reason: str
) -> None:
    place, right = tmp_path / "journal.log", json.dumps({key: WIDER[key]}, separators=(",", ":"))
    text = "".join(searched(place))
    assert text.count(right) == 1 + (key == "receptive_field")  # of OWN, too
    before, _, after = text.rpartition(right)
    place.write_text(before + json.dumps({key: value}) + after)
    for _ in range(3):  # first without a cached summary, then with one
        with pytest.raises(UnusableInputError, match=f"^study 's' is damaged: {reason}"):
            read(place, in_short=True)
        assert [bool(trial.checked) for trial in read_summary(str(place), None).trials] == [True, False]
    with pytest.raises(UnusableInputError, match=reason):
        read(place, in_short=False)


def test_a_trial_is_checked_again_where_it_or_what_its_study_maximises_changes(tmp_path: Path) -> None:
    place = tmp_path / "journal.log"
    searched(place)
    study = load(open_storage(str(place), write=True), None)
    assert {trial.checked for trial in read_summary(str(place), None).trials} == {"accuracy of a launch"}
    study.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": "d"}, "objective": "balanced_accuracy"})
    assert len(read(place, in_short=True).rows) == 2
    trial = study.ask()
    for name, value in OWN.items():
        trial.set_user_attr(name, value)
    assert read_summary(str(place), None).trials[2].checked
    trial.set_user_attr("params", 321)
    with pytest.raises(UnusableInputError, match="trial 2: params is 321, where its network has 322"):
        read(place, in_short=True)


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
