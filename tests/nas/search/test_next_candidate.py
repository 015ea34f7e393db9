"""The order in which a free worker gets candidates."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path

import optuna
import pytest

from nas.search import queue
from nas.search.candidate import Candidate, State
from nas.search.driver import Driver
from nas.search.queue import Waiting
from nas.space.attributes import ARCHITECTURE
from nas.training.feed import Feed
from tests.nas.search.scripted import ScriptedEngine, driver_of, epoch

ENDLESS = 1e6


@pytest.fixture
def search(study: optuna.Study, whole: Feed, tmp_path: Path) -> Driver:
    """A search without confirmations, of at most 8 trials, before its first turn."""
    return driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path, count=0, trials=8)


def chosen(search: Driver) -> Candidate:
    """The next candidate, which then trains."""
    found = search.next.choose(ENDLESS)
    assert found is not None
    search.pool.move(found, State.TRAINING)
    return found


def at_first_rung(search: Driver, candidate: Candidate, accuracy: float) -> None:
    """Train a candidate up to the first rung, where it waits."""
    for number in range(1, search.pool.halving.levels[0] + 1):
        search.pool.add_epoch(candidate, epoch(number, accuracy))
    search.pool.pause(candidate)


def another_network(search: Driver, but: set[str]) -> str:
    """The text of a feasible network of the space that is none of these."""
    part = search.sampler.feasible
    drawn = (str(part.judge(part.sample(random.Random(seed))).architecture) for seed in range(99))
    return next(text for text in drawn if text not in but)


def test_leftovers_first_then_the_queue_promotions_and_new_ones(search: Driver, study: optuna.Study) -> None:
    proposed = [chosen(search) for _ in range(3)]
    names = {str(one.architecture) for one in proposed}
    at_first_rung(search, proposed[0], 0.5)
    at_first_rung(search, proposed[1], 0.9)
    left = study.ask()  # as of a launch that was killed before it proposed a network
    search.proposals.leftover = deque([study.trials[left.number]])
    text = another_network(search, names)
    queue.add(study, [Waiting(architecture=text, origin="mine")])
    order = [chosen(search) for _ in range(4)]
    assert [one.trial.number for one in order] == [3, 4, 1, 5]
    assert study.trials[4].user_attrs[ARCHITECTURE] == text
    assert len({str(one.architecture) for one in order} | names) == 6


def test_where_the_trials_are_used_up_only_started_ones_go_on(search: Driver, study: optuna.Study) -> None:
    proposed = [chosen(search) for _ in range(3)]
    for candidate, accuracy in zip(proposed, (0.2, 0.6, 0.4), strict=True):
        at_first_rung(search, candidate, accuracy)
    search.next.trials = 3
    queue.add(study, [Waiting(architecture=another_network(search, set()))])
    assert not search.next.may_propose
    assert chosen(search) is proposed[1]
    assert chosen(search) is proposed[2], "of three, the share of the rung is rounded up"
    assert search.next.choose(ENDLESS) is None
    assert len(study.trials) == 3


def test_one_trial_below_the_budget_may_still_begin(search: Driver) -> None:
    chosen(search)
    for trials, may in ((0, False), (1, False), (2, True)):
        search.next.trials = trials
        assert search.next.may_propose == may


def test_a_candidate_whose_files_could_not_be_written_waits_until_others_can(search: Driver) -> None:
    first, second = chosen(search), chosen(search)
    search.pool.set_aside(first, OSError(28, "No space left on device"))
    new = chosen(search)
    assert new is not first, "another one is tried while files cannot be written"
    search.pool.refusals = 0
    at_first_rung(search, second, 0.9)
    assert chosen(search) is first


def test_where_nothing_else_is_left_it_is_tried_again(search: Driver) -> None:
    first = chosen(search)
    search.next.trials = 1
    search.pool.set_aside(first, OSError(28, "No space left on device"))
    assert chosen(search) is first


def test_a_search_for_confirmed_networks_begins_new_ones_before_it_promotes(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    search = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path)
    first, second = chosen(search), chosen(search)
    at_first_rung(search, first, 0.5)
    at_first_rung(search, second, 0.6)
    assert chosen(search).trial.number == 2
    search.next.trials = 3
    search.pool.prune(search.running[0], "gone")
    assert chosen(search) is second, "no more may begin: the best of the first rung is trained up to the second"


def test_where_the_space_is_exhausted_what_was_begun_goes_on(study: optuna.Study, whole: Feed, tmp_path: Path) -> None:
    search = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path)
    first = chosen(search)
    at_first_rung(search, first, 0.5)
    search.proposals.exhausted = "the space is exhausted: every network was tried"
    assert chosen(search) is first
