"""What the driver relies on, of every kind of storage that a study may be in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from constraints.rules import parse_all
from nas.architecture.spec import parse
from nas.search.storage import open_storage
from nas.search.study import CURVE, MEASURED, REASON
from nas.search.trial_store import TrialStore, best_accuracy, proposed, whole_epochs
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler, SpaceExhaustedError
from tests.conftest import Server

Reopen = Callable[[], TrialStore]
EPOCHS: list[dict[str, Any]] = [{"epoch": 1, "val_accuracy": 0.25}, {"epoch": 2, "val_accuracy": 0.5}]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Storages that the tests of this file share; a database takes most of a second to be made."""
    folder = tmp_path_factory.mktemp("storages")
    return {"journal": str(folder / "journal.log"), "sqlite": f"sqlite:///{folder / 'study.db'}"}


@pytest.fixture(scope="module")
def postgresql_place(postgresql: Server) -> str:
    return postgresql.new_database()


@pytest.fixture(params=["memory", "journal", "sqlite", "postgresql"])
def reopened(request: pytest.FixtureRequest, places: dict[str, str]) -> Reopen:
    """Opens the study as another launch would: of a storage that is more than memory, from what it holds."""
    memory, name, kind = InMemoryStorage(), request.node.name, request.param
    place: str = request.getfixturevalue("postgresql_place") if kind == "postgresql" else places.get(kind, "")

    def opened() -> BaseStorage:
        return open_storage(place, write=True) if place else memory

    storage = opened()
    optuna.create_study(storage=storage, study_name=f"before {name}").ask()  # so that ids and numbers differ
    optuna.create_study(storage=storage, study_name=name, directions=["maximize", "minimize"])
    return lambda: TrialStore(optuna.load_study(storage=opened(), study_name=name))


@pytest.fixture
def store(reopened: Reopen) -> TrialStore:
    return reopened()


def test_a_new_study_holds_nothing(store: TrialStore) -> None:
    assert store.trials() == []
    assert store.rejected() == {}
    assert best_accuracy(store.trials()) is None
    assert proposed(store.trials()) == 0


def test_a_measured_truth_value_is_stored_as_a_number(store: TrialStore, reopened: Reopen) -> None:
    store.set_metrics(store.ask(), metrics(parse("BR/c8-c8s2/c8/fc")), {"has": True, "lacks": False, "share": 0.5})
    (trial,) = reopened().trials()
    found = trial.user_attrs[MEASURED]
    assert {name: (type(one), one) for name, one in found.items()} == {
        "has": (int, 1), "lacks": (int, 0), "share": (float, 0.5)
    }  # fmt: skip


def test_parameters_are_chosen_once(store: TrialStore, reopened: Reopen) -> None:
    distributions = {"width": IntDistribution(8, 64, step=8), "body": CategoricalDistribution(["c3", "sep3"]),
        "rate": FloatDistribution(0.01, 0.1, log=True), "batch": IntDistribution(16, 64, log=True)}  # fmt: skip
    chosen = store.suggest(store.ask(), distributions)
    (trial,) = reopened().trials()
    assert trial.params == chosen
    assert trial.distributions == distributions
    assert reopened().suggest(reopened().reopen(0), distributions) == chosen


def test_a_parameter_that_no_space_has_is_refused(store: TrialStore) -> None:
    class Own(BaseDistribution):
        def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
            return 0.0

        def single(self) -> bool:
            return False

        def _contains(self, param_value_in_internal_repr: float) -> bool:
            return True

    with pytest.raises(TypeError, match=r"^x: no parameter of a space: Own"):
        store.suggest(store.ask(), {"x": Own()})


def test_the_samplers_error_is_passed_on_and_the_trial_stays_open(store: TrialStore) -> None:
    class Exhausted(optuna.samplers.RandomSampler):
        def sample_independent(self, *_: Any) -> Any:
            raise SpaceExhaustedError("none left")

    store.study.sampler = Exhausted()
    with pytest.raises(SpaceExhaustedError, match=r"^none left$"):
        store.suggest(store.ask(), {"width": IntDistribution(8, 64)})
    assert [t.state for t in store.trials()] == [TrialState.RUNNING]


def test_a_proposal_is_read_back(store: TrialStore, reopened: Reopen) -> None:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    sampler = store.study.sampler = FeasibleSampler(FeasiblePart(space, parse_all(("params < 7k",))), seed=1)
    trial = store.ask()
    assert store.architecture(trial) is None
    judged = sampler.feasible.judge(store.suggest(trial, space.distributions))
    store.set_metrics(trial, judged.metrics)
    assert proposed(reopened().trials()) == 0
    store.set_architecture(trial, judged.architecture)
    again = reopened()
    (known,) = again.trials()
    assert proposed([known]) == 1
    assert again.architecture(known) == again.architecture(again.reopen(0)) == judged.architecture
    assert {name: known.user_attrs[name] for name in judged.metrics.as_dict()} == judged.metrics.as_dict()


def test_epochs_are_stored_in_a_study_of_several_objectives_too(store: TrialStore, reopened: Reopen) -> None:
    store.ask()
    trial = store.ask()
    for number in (1, 2):
        store.add_epoch(trial, EPOCHS[:number])
    untouched, known = reopened().trials()
    assert not untouched.intermediate_values
    assert known.intermediate_values == {1: 0.25, 2: 0.5}
    assert known.user_attrs[CURVE] == EPOCHS
    assert (whole_epochs(untouched), whole_epochs(known)) == (0, 2)


def test_epochs_trained_anew_take_the_place_of_those_that_were_stored(store: TrialStore, reopened: Reopen) -> None:
    trial = store.ask()
    for number in (1, 2):
        store.add_epoch(trial, EPOCHS[:number])
    again, other = reopened(), [{"epoch": 1, "val_accuracy": 0.125}, {"epoch": 2, "val_accuracy": 0.375}]
    again.add_epoch(again.reopen(0), other, is_anew=True)
    (known,) = reopened().trials()
    assert known.intermediate_values == {1: 0.125, 2: 0.375}
    assert known.user_attrs[CURVE] == other


def test_an_epoch_without_its_accuracy_is_not_whole(
    store: TrialStore, reopened: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = store.ask()
    store.add_epoch(trial, EPOCHS[:1])

    def away(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(store._storage, "set_trial_intermediate_value", away)
    with pytest.raises(ConnectionError):
        store.add_epoch(trial, EPOCHS)
    (known,) = reopened().trials()
    assert len(known.user_attrs[CURVE]) == 2
    assert whole_epochs(known) == 1


def test_a_trial_ends_complete_pruned_or_failed(store: TrialStore, reopened: Reopen) -> None:
    trials = [store.ask() for _ in range(5)]
    store.complete(trials[0], (0.5, 1_000.0))
    store.complete(trials[1], (0.75, 2_000.0))
    store.prune(trials[2], "below the better half")
    store.fail(trials[3], "diverged")
    store.set_reason(trials[4], "waits")
    ended = reopened().trials()
    assert [t.state for t in ended] == [
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.RUNNING,
    ]
    assert [t.user_attrs.get(REASON) for t in ended] == [None, None, "below the better half", "diverged", "waits"]
    assert ended[1].values == [0.75, 2_000.0]
    assert best_accuracy(ended) == 0.75


def test_a_trial_that_was_reopened_ends_under_its_number(store: TrialStore, reopened: Reopen) -> None:
    store.ask()
    store.add_epoch(store.ask(), EPOCHS[:1])
    again = reopened()
    trial = again.reopen(1)
    again.add_epoch(trial, EPOCHS)
    again.complete(trial, (0.5, 1.0))
    first, second = reopened().trials()
    assert (first.state, second.state) == (TrialState.RUNNING, TrialState.COMPLETE)
    assert second.intermediate_values == {1: 0.25, 2: 0.5}


def test_a_trial_that_does_not_exist_cannot_be_reopened(store: TrialStore) -> None:
    with pytest.raises(KeyError):
        store.reopen(0)


def test_counts_of_rejected_proposals_are_replaced(store: TrialStore, reopened: Reopen) -> None:
    store.set_rejected({"params < 7k": 3})
    store.set_rejected({"params < 7k": 5, "repeated": 1})
    assert reopened().rejected() == {"params < 7k": 5, "repeated": 1}


def test_counts_that_are_stored_already_are_not_written_again(store: TrialStore) -> None:
    """Each write of a study's attribute waits for the disk, and most proposals reject nothing."""
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.study, "set_user_attr", lambda key, value: written.append(key))
        store.set_rejected({})
        assert written == []
        store.set_rejected({"params < 7k": 3})
        assert len(written) == 1
