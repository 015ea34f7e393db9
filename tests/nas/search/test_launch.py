from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.config import read_config
from nas.cpu import cpu_class
from nas.search import launch
from nas.search.study import SOURCE, TARGET
from nas.training import datasets

FLAGS = {"data": "digits", "space": "tiny", "epochs": 1, "device": "cpu", "workers": 1}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return datasets.load("digits", cache=tmp_path_factory.mktemp("cache"))


def prepare(digits: datasets.Dataset, folder: Path, **flags: Any) -> launch.Prepared:
    config = read_config(None, {**FLAGS, "storage": str(folder / "journal.log"), **flags})
    return launch.prepare(config, digits, lambda driver: None)


def test_a_study_is_held_while_it_is_searched(digits: datasets.Dataset, tmp_path: Path) -> None:
    first = prepare(digits, tmp_path)
    with pytest.raises(UnusableInputError, match=r"study 'search' is held by another process .*: wait for it to end"):
        prepare(digits, tmp_path)
    first.lock.close()
    prepare(digits, tmp_path).lock.close()


def test_a_refused_launch_frees_the_study(digits: datasets.Dataset, tmp_path: Path) -> None:
    prepare(digits, tmp_path).lock.close()
    with pytest.raises(UnusableInputError, match="made with other epochs: 1, not 2"):
        prepare(digits, tmp_path, epochs=2)
    with pytest.raises(UnusableInputError, match="made with other space"):
        prepare(digits, tmp_path, space="wide")
    prepare(digits, tmp_path).lock.close()


def test_what_trains_is_named(digits: datasets.Dataset, tmp_path: Path) -> None:
    prepared = prepare(digits, tmp_path)
    prepared.lock.close()
    assert prepared.driver.machine == cpu_class()


def test_a_target_asked_for_once_stays_until_another_is(digits: datasets.Dataset, tmp_path: Path) -> None:
    known = []
    for flags in ({}, {"target": 0.9}, {}, {"target": 0.7}):
        prepared = prepare(digits, tmp_path, **flags)
        known.append(prepared.study.user_attrs[TARGET])
        prepared.lock.close()
    assert known == [0.85, 0.9, 0.9, 0.7]
    assert prepared.study.user_attrs[SOURCE] == "digits"


def test_without_a_target_none_is_aimed_at_unless_the_search_is_to_end_there(
    digits: datasets.Dataset, tmp_path: Path
) -> None:
    targets = []
    for flags in ({}, {"stop_at_target": True}, {"target": 0.9}):
        prepared = prepare(digits, tmp_path, **flags)
        targets.append(prepared.driver.budget.target)
        prepared.lock.close()
    assert targets == [None, 0.85, 0.9]


def test_a_search_to_the_target_ends_at_the_one_that_its_leaderboard_shows(
    digits: datasets.Dataset, tmp_path: Path
) -> None:
    targets = []
    for flags in ({"target": 0.01}, {"stop_at_target": True}, {}, {"target": 0.5, "stop_at_target": True}):
        prepared = prepare(digits, tmp_path, **flags)
        targets.append((prepared.driver.budget.target, prepared.study.user_attrs[TARGET]))
        prepared.lock.close()
    assert targets == [(0.01, 0.01), (0.01, 0.01), (None, 0.01), (0.5, 0.5)]


def test_an_empty_space_names_the_constraint_to_relax(digits: datasets.Dataset, tmp_path: Path) -> None:
    rules = ["params < 200k", "receptive_field > 100k"]
    with pytest.raises(UnusableInputError, match=r"no feasible network .*: relax receptive_field > 100000 "):
        prepare(digits, tmp_path, constraints=rules)
    assert not list(tmp_path.iterdir()), "nothing is made for a search that cannot be"


def test_a_folder_that_cannot_be_written_is_refused(digits: datasets.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableInputError, match=r"cannot open the storage .*: give --storage a writable path"):
        prepare(digits, tmp_path / "file")
    (tmp_path / "search").write_text("")
    with pytest.raises(UnusableInputError, match=r"cannot write .*search: File exists: give --storage"):
        prepare(digits, tmp_path)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UnusableInputError, match=r"no GPU: cuda: .*: take --device cpu"):
        launch.check(read_config(None, {**FLAGS, "device": "cuda"}))


def test_the_program_that_launches_loads_no_torch() -> None:
    heavy = "{'torch', 'albumentations', 'cv2', 'sklearn'}"
    program = (
        "import sys, nas.results.progress, nas.search.confirm_launch, nas.search.launch, nas.training.datasets; "
        f"sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


OWN = """
from constraints import metric

@metric(maximised=True)
def wide(model, trace):
    return max(layer.output[0] for layer in trace.layers)
"""


def test_a_study_belongs_to_its_file_of_metrics(digits: datasets.Dataset, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(OWN)
    flags = {"metrics": str(own), "objective": "balanced_accuracy,wide", "constraints": ["wide >= 4", "params < 100k"]}
    prepared = prepare(digits, tmp_path, **flags)
    driver, made_with = prepared.driver, prepared.study.user_attrs["identity"]
    assert made_with["objective"] == "balanced_accuracy,wide:max"
    assert made_with["metrics"]["name"] == "own.py"
    assert [c.metric for c in driver.sampler.feasible.constraints] == ["params"]
    candidate = driver.proposals.new(driver.sampler)
    prepared.lock.close()
    assert candidate is not None
    assert candidate.measured["wide"] >= 4
    assert driver.objectives.values(0.5, candidate.measured) == (0.5, candidate.measured["wide"])
    own.write_text(OWN.replace("max(", "1 + max("))
    with pytest.raises(
        UnusableInputError, match=r"made with other metrics: own\.py \(.{8}\), not own\.py \(.{8}\): use"
    ):
        prepare(digits, tmp_path, **flags)


def test_a_latency_that_is_not_known_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.space.space.load", lambda name: None)
    monkeypatch.setattr("nas.latency.predictor.machine", lambda: "another machine")
    for flags in ({"objective": "accuracy,latency_ms"}, {"constraints": ["latency_ms < 5"]}):
        with pytest.raises(UnusableInputError, match=r"another machine was not calibrated: run search\.py calibrate"):
            launch.check(read_config(None, {**FLAGS, **flags}))
