"""What nas/optuna_private.py needs of Optuna, and that no other file of ours needs more."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from nas.optuna_private import OpenTPE, reopened, storage_of, trials_after, with_trials_as

ROOT = Path(__file__).parents[2]
OURS = "nas/optuna_private.py"
SPACE: dict[str, BaseDistribution] = {"x": IntDistribution(0, 9)}
CALLS = {
    "optuna.trial.Trial.__init__": "self study trial_id",
    "optuna.study.Study._get_trials": "self deepcopy states use_cache",
    "optuna.storages.RDBStorage._get_trials": "self study_id states included_trial_ids trial_id_greater_than",
    "optuna.samplers.TPESampler._build_parzen_estimator": "self study search_space trials handle_below",
    "optuna.samplers.TPESampler._compute_acquisition_func": "self samples mpe_below mpe_above",
}
"""Function -> its parameters, as nas/optuna_private.py calls or overrides it."""
ATTRIBUTES = {"Study": "_storage", "FrozenTrial": "_trial_id", "JournalStorage": "_thread_lock"}

optuna.logging.set_verbosity(optuna.logging.ERROR)


def missing(name: str) -> str:
    return f"Optuna {optuna.__version__} has no {name}: adapt {OURS}, and the bounds in pyproject.toml"


@pytest.mark.parametrize("name", CALLS)
def test_this_optuna_has_the_function(name: str) -> None:
    package, module, *path = name.split(".")
    found: Any = import_module(f"{package}.{module}")
    for inner in path:
        found = getattr(found, inner, None)
    parameters = " ".join(inspect.signature(found).parameters) if callable(found) else None
    assert parameters == CALLS[name], missing(f"{name}({CALLS[name]})")


def test_this_optuna_has_the_attributes(tmp_path: Path) -> None:
    journal = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    for thing in (optuna.create_study(), optuna.create_trial(value=0.0), journal):
        name = ATTRIBUTES[type(thing).__name__]
        assert hasattr(thing, name), missing(f"{type(thing).__name__}.{name}")


def private_names(file: Path) -> list[str]:
    """What a file imports from private modules of Optuna, and the attributes above that it reads of other objects."""
    names = {name.rpartition(".")[2] for name in CALLS if "._" in name and not name.endswith("__")}
    names |= set(ATTRIBUTES.values()) | {"_study_id"}
    found = []
    text = file.read_text()
    if not any(name in text for name in names | {"optuna"}):
        return []  # to read a whole file takes a hundred times as long
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna") and "._" in str(node.module):
            found.append(f"{file}:{node.lineno}: {node.module}")
        is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        if isinstance(node, ast.Attribute) and node.attr in names and not is_own:
            found.append(f"{file}:{node.lineno}: {node.attr}")
    return found


def test_no_other_file_uses_what_is_private() -> None:
    files = [file for file in (ROOT / "nas").rglob("*.py") if file != ROOT / OURS]
    assert [line for file in files for line in private_names(file)] == []
    assert private_names(ROOT / OURS) != []


def test_a_study_is_kept_in_the_storage_that_it_was_made_with() -> None:
    storage = InMemoryStorage()
    assert storage_of(optuna.create_study(storage=storage)) is storage


def test_a_reopened_trial_is_written_to() -> None:
    study = optuna.create_study()
    study.ask()
    study.ask().set_user_attr("name", "second")
    storage = storage_of(study)
    study_id = storage.get_study_id_from_name(study.study_name)
    again = reopened(study, storage.get_trial_id_from_study_id_trial_number(study_id, 1))
    assert (again.number, again.user_attrs) == (1, {"name": "second"})
    again.set_user_attr("name", "third")
    assert [trial.user_attrs for trial in study.trials] == [{}, {"name": "third"}]


def test_of_a_database_only_the_new_trials_are_read_and_those_asked_for(tmp_path: Path) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path}/study.db")
    study = optuna.create_study(storage=storage, study_name="s")
    other = optuna.create_study(storage=storage, study_name="other")
    for _ in range(4):
        study.ask()
        other.ask()
    study_id = storage.get_study_id_from_name("s")
    ids = [storage.get_trial_id_from_study_id_trial_number(study_id, number) for number in range(4)]
    found = trials_after(storage, study_id, ids[2], {ids[0]})
    assert {trial_id: trial.number for trial_id, trial in found.items()} == {ids[0]: 0, ids[3]: 3}
    assert trials_after(storage, study_id, ids[3], set()) == {}


def test_a_sampler_sees_the_trials_as_they_are_shown() -> None:
    study = optuna.create_study()
    study.tell(study.ask(), 1.0)
    study.ask()

    def hidden(trials: list[FrozenTrial]) -> list[FrozenTrial]:
        ended = optuna.create_trial(state=TrialState.PRUNED)
        return [ended if trial.state == TrialState.COMPLETE else trial for trial in trials]

    view = with_trials_as(study, hidden)
    assert view.study_name == study.study_name
    assert [trial.state for trial in view._get_trials()] == [TrialState.PRUNED, TrialState.RUNNING]
    assert len(view._get_trials(states=(TrialState.PRUNED,))) == 1
    assert study.trials[0].state == TrialState.COMPLETE


class Chosen(OpenTPE):
    """Learns from trials of x below 5 alone, and proposes the largest x of its candidates."""

    def learnt_from(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        kept = [trial for trial in trials if trial.params["x"] < 5]
        self.learnt = [*getattr(self, "learnt", ()), *kept]
        return kept

    def acquisition(self, samples: Any, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        assert values.shape == samples["x"].shape == (24,), "24 candidates, Optuna's default"
        self.largest = int(samples["x"].max())
        return np.asarray(samples["x"], dtype=np.float64)


def test_tpe_learns_from_what_it_is_given_and_proposes_the_best_of_its_candidates() -> None:
    sampler = Chosen(seed=0, multivariate=True, n_startup_trials=10)
    study = optuna.create_study(sampler=sampler)
    for x in range(10):
        study.add_trial(optuna.create_trial(params={"x": x}, distributions=SPACE, value=float(x)))
    assert study.ask(SPACE).params == {"x": sampler.largest}
    assert sorted(trial.params["x"] for trial in sampler.learnt) == [0, 1, 2, 3, 4], "once each: good, or of the others"
