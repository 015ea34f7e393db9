"""A pool of candidates of eight epochs, with rungs at 2, 4 and 8; the study stores their ends."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from nas.search.candidate import State
from nas.search.events import Event, What
from nas.search.halving import Halving
from nas.search.pool import BELOW, MOST_REFUSALS, Pool
from nas.search.study import CURVE, REASON
from tests.nas.search.pools import paused, pool_of, train, trial

optuna.logging.set_verbosity(optuna.logging.ERROR)
FULL = OSError(28, "No space left on device")


@pytest.fixture
def pool() -> Pool:
    return pool_of()


def test_a_candidate_is_in_one_state_in_the_order_in_which_it_entered_it(pool: Pool) -> None:
    first, second = train(pool, 0.1), train(pool, 0.2)
    assert pool.of(State.TRAINING) == [first, second]
    pool.move(first, State.TRAINING)
    assert pool.of(State.TRAINING) == [second, first]
    pool.move(second, State.ASIDE)
    assert (pool.of(State.TRAINING), pool.of(State.ASIDE), pool.of(State.PAUSED)) == ([first], [second], [])


def test_every_end_is_reported(pool: Pool) -> None:
    said: list[Event] = []
    complete, pruned, failed = train(pool, 0.5, 0.9722), train(pool, 0.5), train(pool)
    pool.happened = said.append
    pool.complete(complete)
    pool.prune(pruned, BELOW)
    pool.fail(failed, "diverged")
    assert said == [
        Event(trial=0, what=What.COMPLETE, epochs=2, score=0.9722),
        Event(trial=1, what=What.PRUNED, epochs=1, score=0.5, reason="below the better half at epoch 1"),
        Event(trial=2, what=What.FAILED, epochs=0, score=None, reason="diverged"),
    ]


def test_the_end_by_a_confirmation_has_the_epochs_of_the_trial_and_the_reason_those_of_the_confirmation(
    pool: Pool,
) -> None:
    said: list[Event] = []
    train(pool, 0.5, 0.7448)
    pool.happened = said.append
    pool.finish(0, epochs=18, threads=2)
    reason = "confirmed by 18 epochs"
    assert said == [Event(trial=0, what=What.COMPLETE, epochs=2, score=0.7448, reason=reason)]


def test_an_epoch_is_reported_before_what_it_decides(pool: Pool) -> None:
    said: list[Event] = []
    pool.happened = said.append
    paused(pool, 0.5)
    assert [(event.what, event.score) for event in said] == [
        (What.TRAINED, 0.0),
        (What.TRAINED, 0.5),
        (What.PAUSED, 0.5),
    ]


def test_an_end_that_was_stored_although_the_storage_then_failed_is_reported(pool: Pool) -> None:
    said: list[Event] = []
    candidate = train(pool, 0.5)
    pool.happened = said.append
    pool.store.prune(candidate.trial, "out of time")
    pool.reconcile(pool.store.trials())
    assert said == [Event(trial=0, what=What.PRUNED, epochs=1, score=0.5, reason="out of time")]


def test_an_epoch_is_stored_with_its_curve(pool: Pool) -> None:
    candidate = train(pool, 0.25, 0.5)
    assert candidate.curve[-1]["val_accuracy"] == 0.5
    assert trial(pool, 0).intermediate_values == {1: 0.25, 2: 0.5}
    assert trial(pool, 0).user_attrs[CURVE] == candidate.curve


def test_what_is_trained_anew_replaces_what_the_study_knows_when_it_is_as_long(pool: Pool) -> None:
    candidate = train(pool, 0.25, 0.5)
    before = trial(pool, 0).user_attrs[CURVE]
    candidate.reported, candidate.curve = 2, []
    train(pool, 0.75, candidate=candidate)
    assert trial(pool, 0).intermediate_values == {1: 0.25, 2: 0.5}
    assert trial(pool, 0).user_attrs[CURVE] == before, "no reader sees a curve that is shorter than its accuracies"
    train(pool, 0.875, candidate=candidate)
    assert trial(pool, 0).intermediate_values == {1: 0.75, 2: 0.875}
    assert trial(pool, 0).user_attrs[CURVE] == candidate.curve


def test_the_better_half_of_a_rung_is_promoted_best_first(pool: Pool) -> None:
    candidates = paused(pool, 0.1, 0.4, 0.2, 0.3)
    promoted = []
    while (candidate := pool.promoted(is_last=False)) is not None:
        promoted.append(candidate)
        pool.move(candidate, State.TRAINING)
    assert promoted == [candidates[1], candidates[3]], "4 reached the rung, so 2 pass it"


@pytest.mark.parametrize(("is_last", "passing"), [(False, 1), (True, 2)])
def test_half_of_three_is_one_or_at_the_end_two(pool: Pool, is_last: bool, passing: int) -> None:
    paused(pool, 0.1, 0.4, 0.2)
    for _ in range(passing):
        candidate = pool.promoted(is_last=is_last)
        assert candidate is not None
        pool.move(candidate, State.TRAINING)
    assert pool.promoted(is_last=is_last) is None


def test_what_earlier_launches_trained_takes_its_places_in_the_ranking(pool: Pool) -> None:
    better = train(pool, 0.0, 0.9)
    pool.complete(better)
    later = Pool(store=pool.store, halving=Halving([2, 4, 8], pool.objectives), objectives=pool.objectives)
    later.take_up(pool.store.trials())
    (second,) = paused(later, 0.5)
    assert second.trial.number == 1
    assert later.promoted(is_last=True) is None, "one of two passes, and it has ended"
    alone = pool_of()
    paused(alone, 0.5)
    assert alone.promoted(is_last=True) is not None


def test_a_candidate_behind_too_many_better_ones_is_pruned(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.halving.MOST_WAITING", 2)
    paused(pool, 0.3, 0.1, 0.2)
    assert set(pool.members) == {0, 2}
    assert trial(pool, 1).state == TrialState.PRUNED
    assert trial(pool, 1).user_attrs[REASON] == "below the better half at epoch 2"


def test_a_candidate_whose_files_cannot_be_written_waits_for_another_try(pool: Pool) -> None:
    first, second = train(pool, 0.1), train(pool, 0.2)
    pool.set_aside(first, FULL)
    pool.set_aside(second, FULL)
    assert trial(pool, 0).user_attrs[REASON] == "waits: No space left on device"
    assert pool.taken_back() is first
    assert trial(pool, 0).user_attrs[REASON] == ""
    pool.move(first, State.TRAINING)
    assert pool.taken_back() is second


def test_the_third_refusal_in_a_row_ends_the_launch(pool: Pool) -> None:
    candidates = [train(pool, 0.1) for _ in range(4)]
    for candidate in candidates[: MOST_REFUSALS - 1]:
        pool.set_aside(candidate, FULL)
    pool.refusals = 0  # the files of one could be written
    for candidate in candidates[: MOST_REFUSALS - 1]:
        pool.set_aside(candidate, FULL)
    with pytest.raises(OSError, match="No space left"):
        pool.set_aside(candidates[2], FULL)
    assert pool.taken_back() is candidates[0]
    assert candidates[2].state == State.TRAINING


def test_nothing_is_taken_back_where_nothing_is_aside(pool: Pool) -> None:
    paused(pool, 0.1)
    assert pool.taken_back() is None


def test_a_candidate_ends_with_what_it_is_worth_or_why_it_ended() -> None:
    pool = pool_of(costs=("params",))
    done, failed, pruned = train(pool, 0.5), train(pool, 0.1), train(pool, 0.1, 0.2)
    pool.complete(done)
    pool.fail(failed, "diverged")
    pool.prune(pruned, BELOW)
    assert pool.members == {}
    assert pool.of(State.TRAINING) == []
    assert trial(pool, 0).values == [0.5, float(done.metrics.params)]
    assert [t.state for t in pool.store.trials()] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED]
    assert trial(pool, 1).user_attrs[REASON] == "diverged"
    assert trial(pool, 2).user_attrs[REASON] == "below the better half at epoch 2"


def test_all_are_pruned_whatever_their_state(pool: Pool) -> None:
    paused(pool, 0.3)
    train(pool, 0.1)
    pool.set_aside(train(pool, 0.2), FULL)
    pool.prune_all("the target is met")
    assert pool.members == {}
    assert [(t.state, t.user_attrs[REASON]) for t in pool.store.trials()] == [
        (TrialState.PRUNED, "the target is met")
    ] * 3


def test_after_an_outage_the_study_is_believed(pool: Pool) -> None:
    ended, cut, whole = train(pool, 0.1), train(pool, 0.1), train(pool, 0.1, 0.2)
    pool.store.fail(ended.trial, "by another")
    cut.curve = [*cut.curve, {"epoch": 2, "val_accuracy": 0.5, "seconds": 1.0}]  # sent, and never stored
    before = cut.trial
    pool.reconcile(pool.store.trials())
    assert list(pool.members) == [1, 2]
    assert pool.of(State.TRAINING) == [cut, whole]
    assert cut.trial is not before
    assert [(c.reported, len(c.curve)) for c in (cut, whole)] == [(1, 1), (2, 2)]
