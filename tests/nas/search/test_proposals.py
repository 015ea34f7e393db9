"""Candidates of a study in memory, of the smallest space; budgets of eight epochs have rungs at 2, 4 and 8."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from constraints.rules import parse_all
from nas.search.proposals import Proposals
from nas.search.study import REASON, REJECTED
from nas.search.trial_store import TrialStore
from nas.search.worker import PROGRESS
from nas.space.attributes import ARCHITECTURE
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler, SpaceExhaustedError
from nas.space.space import load

optuna.logging.set_verbosity(optuna.logging.ERROR)
RUNGS = (2, 4, 8)


@pytest.fixture(scope="module")
def feasible() -> FeasiblePart:
    return FeasiblePart(load("tiny", input=(3, 32, 32), classes=10), parse_all(["params < 7k"]))


@pytest.fixture
def sampler(feasible: FeasiblePart) -> FeasibleSampler:
    return FeasibleSampler(feasible, seed=1)


@pytest.fixture
def proposals(sampler: FeasibleSampler, tmp_path: Path) -> Proposals:
    store = TrialStore(optuna.create_study(direction="maximize", sampler=sampler))
    return Proposals(store=store, folder=tmp_path, notes=[])


def curve(epochs: int) -> list[dict[str, Any]]:
    return [{"epoch": number, "val_accuracy": number / 10, "seconds": 1.0} for number in range(1, epochs + 1)]


def left_behind(proposals: Proposals, sampler: FeasibleSampler, *, stored: int, on_disk: int) -> str:
    """A RUNNING trial of so many epochs in the study and in its folder; its network."""
    candidate = proposals.new(sampler)
    assert candidate is not None
    for number in range(1, stored + 1):
        proposals.store.add_epoch(candidate.trial, curve(number))
    candidate.folder.mkdir()
    (candidate.folder / PROGRESS).write_text(json.dumps(curve(on_disk)))
    return str(candidate.architecture)


def test_a_new_candidate_is_stored_as_proposed(proposals: Proposals, sampler: FeasibleSampler, tmp_path: Path) -> None:
    proposals.rejected_before = {"params < 7000": 2}
    candidate = proposals.new(sampler)
    assert candidate is not None
    assert candidate.metrics.params < 7000
    assert (candidate.reported, candidate.curve) == (0, [])
    assert candidate.folder == tmp_path / "trial-00000"
    (trial,) = proposals.store.trials()
    assert trial.user_attrs[ARCHITECTURE] == str(candidate.architecture)
    assert trial.user_attrs["params"] == candidate.metrics.params
    assert proposals.store.study.user_attrs[REJECTED] == {"params < 7000": 2, **proposals.rejected(sampler)}
    assert proposals.count == 1
    assert proposals.notes == []


def test_a_folder_of_another_study_is_set_aside(proposals: Proposals, sampler: FeasibleSampler, tmp_path: Path) -> None:
    (tmp_path / "trial-00000").mkdir()
    proposals.new(sampler)
    (note,) = proposals.notes
    assert note.endswith(
        "trial-00000 held a training of another study, or of a copy of this one: moved to left-1-trial-00000"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["left-1-trial-00000"]


def test_rejections_of_all_launches_are_added_up(proposals: Proposals, sampler: FeasibleSampler) -> None:
    proposals.rejected_before = {"params < 7000": 2, "repeated": 1}
    sampler.rejected.update({"params < 7000": 3, "stages == 4": 4})
    assert proposals.rejected(sampler) == {"params < 7000": 5, "repeated": 1, "stages == 4": 4}


def test_an_exhausted_space_fails_one_trial_and_is_not_asked_again(
    proposals: Proposals, sampler: FeasibleSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: Any) -> None:
        raise SpaceExhaustedError("none left")

    monkeypatch.setattr(sampler, "sample_relative", none_left)
    sampler.rejected.update({"latency_ms < 1": 100})
    assert proposals.new(sampler) is None
    assert proposals.new(sampler) is None
    assert proposals.store.study.user_attrs[REJECTED] == {"latency_ms < 1": 100}
    (trial,) = proposals.store.trials()
    assert (trial.state, trial.user_attrs[REASON]) == (TrialState.FAIL, "none left")
    assert proposals.exhausted == "the space is exhausted: none left"
    assert proposals.count == 0


def test_running_trials_are_sorted_into_those_that_wait_at_a_rung_and_those_left_over(
    proposals: Proposals, sampler: FeasibleSampler
) -> None:
    networks = [
        left_behind(proposals, sampler, stored=2, on_disk=2),  # waits at the first rung
        left_behind(proposals, sampler, stored=1, on_disk=1),  # between two rungs
        left_behind(proposals, sampler, stored=4, on_disk=3),  # its files are older than the study
        left_behind(proposals, sampler, stored=8, on_disk=8),  # trained whole, and not stored as complete
        left_behind(proposals, sampler, stored=4, on_disk=5),  # waits at the second rung
        left_behind(proposals, sampler, stored=2, on_disk=2),  # known to the driver already
        left_behind(proposals, sampler, stored=8, on_disk=8),  # has ended
    ]
    proposals.store.complete(proposals.store.reopen(6), (0.8,))
    proposals.store.ask()  # killed before it had a network
    waiting = list(proposals.survey(proposals.store.trials(), {5}, RUNGS))
    assert [(c.trial.number, len(c.curve), str(c.architecture)) for c in waiting] == [
        (0, 2, networks[0]),
        (4, 4, networks[4]),
    ]
    assert [trial.number for trial in proposals.leftover] == [1, 2, 3, 7]
    assert proposals.count == 7, "all with a network, those that have ended too"


def test_what_is_left_over_keeps_its_number_and_its_network(proposals: Proposals, sampler: FeasibleSampler) -> None:
    network = left_behind(proposals, sampler, stored=1, on_disk=3)
    assert list(proposals.survey(proposals.store.trials(), (), RUNGS)) == []
    candidate = proposals.next_leftover(sampler)
    assert candidate is not None
    assert (candidate.trial.number, str(candidate.architecture)) == (0, network)
    assert (candidate.reported, candidate.curve) == (1, curve(1)), "what the study does not know is trained again"
    assert proposals.next_leftover(sampler) is None


def test_what_has_no_network_yet_gets_the_one_that_it_would_have_had(
    proposals: Proposals, sampler: FeasibleSampler, feasible: FeasiblePart
) -> None:
    proposals.store.ask()
    assert list(proposals.survey(proposals.store.trials(), (), RUNGS)) == []
    resumed = proposals.next_leftover(sampler)
    other = TrialStore(optuna.create_study(sampler=FeasibleSampler(feasible, seed=1)))
    undisturbed = Proposals(store=other, folder=proposals.folder, notes=[]).new(other.study.sampler)  # type: ignore[arg-type]
    assert resumed is not None
    assert undisturbed is not None
    assert (resumed.trial.number, resumed.architecture) == (0, undisturbed.architecture)


def test_a_trial_that_optuna_enqueued_runs_with_its_values_and_ends(
    proposals: Proposals, sampler: FeasibleSampler, feasible: FeasiblePart
) -> None:
    drawn = proposals.new(sampler)
    assert drawn is not None
    fixed = {"head": drawn.trial.params["head"]}
    proposals.store.study.enqueue_trial(fixed)
    list(proposals.survey(proposals.store.trials(), {0}, RUNGS))
    candidate = proposals.next_leftover(sampler)
    assert candidate is not None
    assert candidate.trial.number == 1
    assert candidate.trial.params.items() >= fixed.items()
    assert not feasible.judge(candidate.trial.params).broken
    proposals.store.complete(candidate.trial, (0.5,))
    assert [t.state for t in proposals.store.trials()] == [TrialState.RUNNING, TrialState.COMPLETE]


def test_a_trial_that_optuna_enqueued_with_values_that_break_a_rule_fails(
    proposals: Proposals, sampler: FeasibleSampler, feasible: FeasiblePart
) -> None:
    anything = FeasibleSampler(FeasiblePart(feasible.space, parse_all(["params > 7k"])), seed=1)
    larger = TrialStore(optuna.create_study(sampler=anything))
    proposals.store.study.enqueue_trial(larger.suggest(larger.ask(), feasible.space.distributions))
    list(proposals.survey(proposals.store.trials(), (), RUNGS))
    assert proposals.next_leftover(sampler) is None
    (trial,) = proposals.store.trials()
    assert (trial.state, trial.user_attrs[REASON]) == (TrialState.FAIL, "its enqueued values break params < 7000")
    assert proposals.new(sampler) is not None


@pytest.mark.parametrize(("name", "value"), [("head", "nonsense"), ("c1.width", 17)])
def test_a_trial_that_optuna_enqueued_with_a_value_outside_of_the_space_fails(
    proposals: Proposals, sampler: FeasibleSampler, name: str, value: object
) -> None:
    proposals.store.study.enqueue_trial({name: value})
    list(proposals.survey(proposals.store.trials(), (), RUNGS))
    assert proposals.next_leftover(sampler) is None
    (trial,) = proposals.store.trials()
    wanted = f"its enqueued value of {name} is not in the space: {value!r}"
    assert (trial.state, trial.user_attrs[REASON]) == (TrialState.FAIL, wanted)


def test_a_candidate_whose_files_are_gone_is_trained_anew(
    proposals: Proposals, sampler: FeasibleSampler, tmp_path: Path
) -> None:
    left_behind(proposals, sampler, stored=3, on_disk=0)
    list(proposals.survey(proposals.store.trials(), (), RUNGS))
    candidate = proposals.next_leftover(sampler)
    assert candidate is not None
    assert (candidate.reported, candidate.curve) == (3, [])
    folder = tmp_path / "trial-00000"
    assert proposals.notes == [f"trial 0 is trained from scratch: its 3 finished epochs are not in {folder}"]


def test_epochs_that_a_copy_of_the_study_trained_are_not_taken_for_its_own(
    proposals: Proposals, sampler: FeasibleSampler
) -> None:
    """Two copies of a journal in one folder: the other one trained the same trial, to another accuracy."""
    left_behind(proposals, sampler, stored=2, on_disk=2)
    place = proposals.trial_folder(proposals.store.trials()[0]) / PROGRESS
    place.write_text(json.dumps([{**epoch, "val_accuracy": 0.9} for epoch in curve(2)]))
    assert list(proposals.survey(proposals.store.trials(), (), RUNGS)) == []
    candidate = proposals.next_leftover(sampler)
    assert candidate is not None
    assert candidate.curve == []
    assert proposals.notes[0].endswith("or of a copy of this one: moved to left-1-trial-00000")
    assert "its 2 finished epochs are not in" in proposals.notes[1]
