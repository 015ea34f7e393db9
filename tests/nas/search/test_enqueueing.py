"""Candidates added from outside: their states, what is refused, and that the driver proposes them."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from constraints.rules import parse_all
from nas.cli.queue import enqueue as command
from nas.search import starts
from nas.search.enqueueing import enqueue
from nas.search.proposals import Proposals
from nas.search.queue import Waiting, add
from nas.search.storage import open_storage
from nas.search.study import IDENTITY, IMAGES
from nas.search.trial_store import TrialStore
from nas.space.attributes import ARCHITECTURE, ORIGIN, PROPOSED
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.space.space import load

PLAIN = "BR/c8-c8-c8s2/c8-c8-c8s2/c8-c8-c8s2/c8-c8-c16/fc"
OTHER = PLAIN.replace("c16/fc", "c24/fc")
FOREIGN = PLAIN.replace("c8-c16", "c8k5-c16")
SPACE = load("tiny")


@pytest.fixture
def sampler() -> FeasibleSampler:
    return FeasibleSampler(FeasiblePart(SPACE, parse_all(["params < 10k"])), seed=1)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "journal.log")


@pytest.fixture
def proposals(place: str, sampler: FeasibleSampler, tmp_path: Path) -> Proposals:
    return made(place, sampler, tmp_path)


def made(place: str, sampler: FeasibleSampler, folder: Path) -> Proposals:
    study = optuna.create_study(storage=open_storage(place, write=True), study_name="s", sampler=sampler)
    study.set_user_attr(
        IDENTITY,
        {
            "constraints": ["params < 10k"],
            "space": {"name": "tiny", "hash": SPACE.fingerprint},
            "objective": "accuracy",
        },
    )
    study.set_user_attr(IMAGES, [[3, 32, 32], 10])
    return Proposals(store=TrialStore(study), folder=folder, notes=[])


def test_what_is_enqueued_is_tried_once_with_its_parameters(
    place: str, proposals: Proposals, sampler: FeasibleSampler
) -> None:
    assert [one.state for one in enqueue([PLAIN, FOREIGN, PLAIN], storage=place).networks] == ["waits", "waits"]
    assert enqueue(PLAIN, storage=place).networks[0].state == "waited"
    first, second, third = (proposals.waiting(sampler) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is None
    assert [str(first.architecture), str(second.architecture)] == [PLAIN, FOREIGN]
    in_space, outside = proposals.store.trials()
    assert str(SPACE.decode(in_space.params)) == PLAIN
    assert outside.params == {}, "no parameters of the space make it"
    assert [trial.user_attrs[ORIGIN] for trial in (in_space, outside)] == [PLAIN, FOREIGN]
    again = enqueue(PLAIN, storage=place)
    assert (again.networks[0].state, again.networks[0].trial, again.waiting) == ("tried", 0, 0)


def test_a_database_brings_it_to_a_launch_that_runs(database: str, sampler: FeasibleSampler, tmp_path: Path) -> None:
    proposals = made(database, sampler, tmp_path)
    assert proposals.waiting(sampler) is None
    assert [one.state for one in enqueue([PLAIN, OTHER], storage=database).networks] == ["waits", "waits"]
    assert [one.state for one in enqueue([OTHER, FOREIGN], storage=database).networks] == ["waited", "waits"]
    found = [proposals.waiting(sampler) for _ in range(4)]
    assert [str(one.architecture) for one in found if one is not None] == [PLAIN, OTHER, FOREIGN]
    again = enqueue(FOREIGN, storage=database)
    assert (again.networks[0].state, again.networks[0].trial, again.waiting) == ("tried", 2, 0)


def test_a_trial_that_was_killed_on_its_way_to_a_network_of_the_queue_gets_that(
    place: str, proposals: Proposals, sampler: FeasibleSampler
) -> None:
    enqueue([PLAIN, OTHER], storage=place)
    trial = proposals.store.ask()
    with sampler.given(trial.number, choices(OTHER)):
        trial.suggest_int("c2.width", 8, 16, step=8)
    (left,) = proposals.store.trials()
    assert left.system_attrs[PROPOSED] == OTHER
    proposals.leftover.append(left)
    resumed = proposals.next_leftover(sampler)
    assert resumed is not None
    assert str(resumed.architecture) == OTHER
    following = proposals.waiting(sampler)
    assert following is not None
    assert str(following.architecture) == PLAIN
    assert proposals.waiting(sampler) is None


def choices(text: str) -> dict[str, bool | int | str]:
    from nas.space.encoding import choices_of

    found = choices_of(SPACE, text)
    assert found is not None
    return found


def test_a_study_that_a_search_never_gave_a_space_takes_networks_too(place: str, proposals: Proposals) -> None:
    study = proposals.store.study
    study.set_user_attr(IDENTITY, {k: v for k, v in study.user_attrs[IDENTITY].items() if k != "space"})
    assert enqueue(PLAIN, storage=place).waiting == 1
    with pytest.raises(UnusableInputError, match="take one that keeps it; nothing was enqueued"):
        enqueue("BR/c8-c8-c16s2/c16-c16-c16s2/c16-c16-c16s2/c16-c16-c32/fc", storage=place)


def test_rules_on_what_is_measured_are_left_to_the_launch(place: str, proposals: Proposals) -> None:
    study = proposals.store.study
    made_with = {**study.user_attrs[IDENTITY], "constraints": ["params < 10k", "deepest < 4", "latency_ms < 1"]}
    study.set_user_attr(IDENTITY, made_with)
    assert enqueue(PLAIN, storage=place).waiting == 1


def test_a_name_is_enqueued_for_the_images_of_the_study_as_a_start_is(place: str, proposals: Proposals) -> None:
    study = proposals.store.study
    study.set_user_attr(IMAGES, [[1, 28, 28], 7])
    study.set_user_attr(IDENTITY, {**study.user_attrs[IDENTITY], "constraints": ["params < 200k"]})
    (start,) = starts.given(["seed"], load("tiny", input=(1, 28, 28), classes=7))
    queue = enqueue(["seed", "seed"], storage=place)
    assert [one.architecture for one in queue.networks] == [str(start.architecture)]
    assert str(start.architecture).startswith("RB.1x28x28.7/")


def test_what_the_rules_refuse_is_named_with_its_nearest_and_nothing_waits(place: str, proposals: Proposals) -> None:
    heavy = "BR/c8-c8-c16s2/c16-c16-c16s2/c16-c16-c16s2/c16-c16-c32/fc"
    with pytest.raises(
        UnusableInputError, match=r"breaks params < 10000 \(.*: .*nearest network.*; nothing was enqueued"
    ):
        enqueue([PLAIN, heavy], storage=place)
    with pytest.raises(
        UnusableInputError,
        match=r"is for images of 1x8x8 and 10 classes, not .* 3x32x32 .*; nothing was enqueued",
    ):
        enqueue(PLAIN.replace("BR/", "BR.1x8x8.10/"), storage=place)
    with pytest.raises(UnusableInputError, match="no such architecture"):
        enqueue("nonsense", storage=place)
    assert enqueue([], storage=place).waiting == 0


def test_what_cannot_be_tried_any_more_is_noted_once(proposals: Proposals, sampler: FeasibleSampler) -> None:
    add(proposals.store.study, [Waiting(architecture="no network"), Waiting(architecture=PLAIN)])
    candidate = proposals.waiting(sampler)
    assert candidate is not None
    assert proposals.waiting(sampler) is None
    (note,) = proposals.notes
    assert note.startswith("no network is not tried: ")
    assert proposals.store.trials()[0].user_attrs[ARCHITECTURE] == PLAIN


def test_the_command_says_what_will_happen(
    place: str, proposals: Proposals, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command([PLAIN], None, place, "table") == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{PLAIN}: enqueued"
    assert command([PLAIN], None, place, "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "study": "s", "enqueued": [{"architecture": PLAIN, "state": "waited", "trial": None}], "waiting": 1,
    }  # fmt: skip
