from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage

from constraints.errors import UnusableInputError
from nas.search.storage import open_storage
from nas.search.study import IDENTITY, OPTIONAL, REMEDIES, accuracy, create_or_resume, identity, shared

SAMPLER = optuna.samplers.RandomSampler(seed=0)
MADE_WITH = {
    "data": {"name": "digits", "hash": "aaaaaaaaaa"},
    "space": {"name": "tiny", "hash": "bbbbbbbbbb"},
    "constraints": ["params < 200k", "macs < 50M"],
    "seed": 0,
    "epochs": 8,
    "objective": "accuracy",
}


def test_a_study_is_made_once_and_resumed_by_the_same_identity() -> None:
    storage = InMemoryStorage()
    first = create_or_resume(storage, "s", MADE_WITH, SAMPLER)
    first.ask()
    again = create_or_resume(storage, "s", MADE_WITH, SAMPLER)
    assert len(again.trials) == 1
    assert again.user_attrs[IDENTITY] == MADE_WITH
    assert again.direction == optuna.study.StudyDirection.MAXIMIZE


def test_the_same_data_under_another_name_is_the_same() -> None:
    storage = InMemoryStorage()
    create_or_resume(storage, "s", MADE_WITH, SAMPLER)
    moved = {**MADE_WITH, "data": {"name": "elsewhere", "hash": "aaaaaaaaaa"}}
    create_or_resume(storage, "s", moved, SAMPLER)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data", {"name": "CIFAR-10", "hash": "cccccccccc"}, "other data: digits (aaaaaaaa), not CIFAR-10 (cccccccc)"),
        ("space", {"name": "tiny", "hash": "dddddddddd"}, "other space: tiny (bbbbbbbb), not tiny (dddddddd)"),
        (
            "constraints",
            ["params < 100k"],
            "other constraints: params < 200k, macs < 50M, not params < 100k",
        ),
        ("seed", 1, "other seed: 0, not 1"),
        ("epochs", 9, "other epochs: 8, not 9"),
        ("objective", "accuracy,params", "other objective: accuracy, not accuracy,params"),
    ],
)
def test_another_identity_is_refused_with_both_values(key: str, value: Any, message: str) -> None:
    storage = InMemoryStorage()
    create_or_resume(storage, "s", MADE_WITH, SAMPLER)
    with pytest.raises(UnusableInputError) as caught:
        create_or_resume(storage, "s", {**MADE_WITH, key: value}, SAMPLER)
    assert str(caught.value) == f"study 's' was made with {message}: {REMEDIES[key]}"


def test_constraints_kept_as_one_text_by_an_earlier_version_are_the_same() -> None:
    storage = InMemoryStorage()
    before = {**MADE_WITH, "constraints": "params < 200k, macs < 50M"}
    create_or_resume(storage, "s", before, SAMPLER)
    again = create_or_resume(storage, "s", MADE_WITH, SAMPLER)
    assert identity(again)["constraints"] == ["params < 200k", "macs < 50M"]
    with pytest.raises(UnusableInputError, match=r"made with other constraints: params < 200k, macs < 50M, not params"):
        create_or_resume(storage, "s", {**MADE_WITH, "constraints": ["params < 200k"]}, SAMPLER)


def test_every_part_of_an_identity_has_a_remedy() -> None:
    assert set(REMEDIES) == set(MADE_WITH)
    assert not set(OPTIONAL) & set(REMEDIES)


def test_a_trial_s_accuracy_is_that_of_its_last_epoch() -> None:
    study = optuna.create_study()
    trial = study.ask()
    assert accuracy(study.trials[0]) is None
    trial.report(0.9, 1)
    trial.report(0.4, 2)
    assert accuracy(study.trials[0]) == 0.4


def test_what_no_launch_made_has_no_identity() -> None:
    with pytest.raises(UnusableInputError, match=r"^study 'own' was made by no launch: its data and constraints are"):
        identity(optuna.create_study(study_name="own"))


@pytest.mark.parametrize("found", [3, [1], "x", {"data": 3}, {"data": {"name": "x"}}, {"epochs": "many"}])
def test_an_identity_of_another_shape_is_refused_by_the_study_s_name(found: Any) -> None:
    study = optuna.create_study(study_name="theirs")
    study.set_user_attr(IDENTITY, found)
    with pytest.raises(
        UnusableInputError, match=r"^study 'theirs' (is damaged|was not made by this tool): its identity is missing"
    ):
        shared(study)


def test_what_is_needed_of_an_identity_is_named() -> None:
    study = optuna.create_study(study_name="own")
    assert shared(study) == {}
    study.set_user_attr(IDENTITY, {"epochs": 3, "constraints": "", "recipe": "slow"})
    assert shared(study) == identity(study, "epochs") == {"epochs": 3, "constraints": [], "recipe": "slow"}
    with pytest.raises(UnusableInputError, match=r"^study 'own' was not made by this tool: its data is missing, or"):
        identity(study, "epochs", "data")


def test_a_study_that_no_launch_made_is_not_taken_over() -> None:
    storage = InMemoryStorage()
    theirs = optuna.create_study(storage=storage, study_name="s")
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(UnusableInputError, match=r"^study 's' was made by no launch"):
        create_or_resume(storage, "s", MADE_WITH, SAMPLER)
    assert theirs.user_attrs == {}


def test_what_is_refused_adds_no_line_to_a_journal(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "journal.log"), write=True)
    optuna.create_study(storage=storage, study_name="s").optimize(lambda trial: trial.suggest_float("x", 0, 1), 1)
    before = (tmp_path / "journal.log").read_bytes()
    with pytest.raises(UnusableInputError, match=r"^study 's' was made by no launch"):
        create_or_resume(storage, "s", MADE_WITH, SAMPLER)
    assert (tmp_path / "journal.log").read_bytes() == before
