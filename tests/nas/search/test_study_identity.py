"""The identity of a study, and the place of its data that later commands read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.config import DEFAULT_TARGET, LaunchConfig
from nas.latency.predictor import Predictor
from nas.search.study import DATA, SOURCE, TARGET, create_or_resume
from nas.search.study_identity import describe, training_identity
from nas.search.training_way import Training
from nas.training.augmentation import DEFAULT, shipped
from nas.training.decoded import Dataset
from nas.training.recipes import usual

DATASET = cast(Dataset, SimpleNamespace(name="digits", content_hash="abc"))


def described(study: optuna.Study, **fields: Any) -> dict[str, Any]:
    describe(study, LaunchConfig(**fields), DATASET)
    return study.user_attrs


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


@pytest.mark.parametrize("name", ["digits", "cifar10", "auto"])
def test_the_name_of_a_data_set_stays_one_beside_a_folder_of_that_name(
    name: str, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()

    assert described(study, data=name)[SOURCE] == name


@pytest.mark.parametrize("given", ["./digits", "digits/../digits", "~/digits", "{}/digits"])
def test_a_path_is_stored_as_it_is_from_any_folder(
    given: str, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "digits").mkdir()

    assert described(study, data=given.format(tmp_path))[SOURCE] == str(tmp_path / "digits")


def test_a_target_is_kept_until_another_is_given(study: optuna.Study) -> None:
    assert described(study)[TARGET] == DEFAULT_TARGET
    assert described(study, target=0.5)[TARGET] == 0.5
    again = described(study)
    assert (again[TARGET], again[DATA]) == (0.5, "digits")


def test_an_identity_names_what_trials_are_compared_by() -> None:
    config = LaunchConfig(data="digits", constraints=["params < 5"], seed=3, epochs=9)
    way = Training(recipe=usual(9), augmentation=shipped(DEFAULT))
    found = training_identity(config, DATASET, way, objective="val_accuracy")

    assert {name: found[name] for name in ("data", "constraints", "seed", "epochs", "objective")} == {
        "data": {"name": "digits", "hash": "abc"},
        "constraints": ["params < 5"],
        "seed": 3,
        "epochs": 9,
        "objective": "val_accuracy",
    }
    assert not {"metrics", "latency", "space"} & set(found)


@pytest.mark.parametrize("changed", ["weights", "threads", "machine", None])
def test_a_study_ranked_by_latency_is_refused_once_the_calibration_is_another(changed: str | None) -> None:
    first = Predictor(machine="m", threads=1, weights={"network": 0.5}, median_error=0.1, error_90=0.2, networks=24)
    others: dict[str, Any] = {"weights": {"network": 0.6}, "threads": 2, "machine": "n"}
    now = replace(first, **{changed: others[changed]}) if changed else replace(first)
    storage, sampler = optuna.storages.InMemoryStorage(), optuna.samplers.RandomSampler()
    config, way = LaunchConfig(data="digits"), Training(recipe=usual(9), augmentation=shipped(DEFAULT))
    made, again = (
        training_identity(config, DATASET, way, objective="accuracy,latency_ms", latency=one) for one in (first, now)
    )
    create_or_resume(storage, "s", made, sampler)
    if changed is None:
        create_or_resume(storage, "s", again, sampler)
        return
    with pytest.raises(
        UnusableInputError, match=r"made with other latency: .*: launch where the study was made, by the"
    ):
        create_or_resume(storage, "s", again, sampler)
