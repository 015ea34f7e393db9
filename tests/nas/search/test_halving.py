from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.halving import EARLIER_FIRST_RUNG, FIRST_RUNG, MOST_WAITING, RUNG_FACTOR, Halving, first_rung, rungs
from nas.search.objectives import Objectives


def halving(accuracies: list[float], *, level: int = 2, epochs: int = 8) -> Halving:
    made = Halving(rungs(epochs, 2), Objectives())
    for number, accuracy in enumerate(accuracies):
        made.add(number, level, (accuracy,))
    return made


@pytest.mark.parametrize(
    ("epochs", "levels"), [(1, [1]), (3, [3]), (4, [2, 4]), (8, [2, 4, 8]), (12, [3, 6, 12]), (15, [3, 7, 15])]
)
def test_rungs_halve_down_from_the_full_budget(epochs: int, levels: list[int]) -> None:
    assert rungs(epochs, EARLIER_FIRST_RUNG) == levels


@pytest.mark.parametrize(
    ("epochs", "levels"), [(1, [1]), (2, [1, 2]), (3, [1, 3]), (8, [1, 2, 4, 8]), (20, [1, 2, 5, 10, 20])]
)
def test_the_first_rung_of_a_new_study_is_one_epoch(epochs: int, levels: list[int]) -> None:
    assert (FIRST_RUNG, RUNG_FACTOR) == (1, 2)
    assert rungs(epochs) == rungs(epochs, first_rung(epochs)) == levels


@pytest.mark.parametrize(
    ("epochs", "levels"),
    [
        (39, [1, 2, 4, 9, 19, 39]), (40, [2, 5, 10, 20, 40]), (100, [6, 12, 25, 50, 100]),
        (200, [12, 25, 50, 100, 200]), (400, [25, 50, 100, 200, 400]),
    ],
)  # fmt: skip
def test_long_trainings_are_compared_from_a_twentieth_of_their_epochs_on(epochs: int, levels: list[int]) -> None:
    assert rungs(epochs, first_rung(epochs)) == levels


@pytest.mark.parametrize(("trained", "until"), [(0, 2), (1, 2), (2, 4), (3, 4), (4, 8), (7, 8), (8, 8)])
def test_a_candidate_goes_to_the_next_rung(trained: int, until: int) -> None:
    assert Halving(rungs(8, 2), Objectives()).until(trained) == until


def test_one_of_two_is_promoted_and_one_alone_waits() -> None:
    assert halving([0.5]).promoted({0: 2}, is_last=False) is None
    assert halving([0.5, 0.6]).promoted({0: 2, 1: 2}, is_last=False) == 1
    assert halving([0.5, 0.6]).promoted({0: 2}, is_last=False) is None


def test_without_new_candidates_at_least_one_is_promoted_from_every_rung() -> None:
    assert halving([0.5]).promoted({0: 2}, is_last=True) == 0
    assert halving([0.5, 0.6, 0.7]).promoted({0: 2, 1: 2}, is_last=True) == 1
    assert halving([0.5, 0.6, 0.7]).promoted({0: 2}, is_last=True) is None


def test_of_equals_the_first_is_promoted() -> None:
    assert halving([0.5, 0.5, 0.4]).promoted({0: 2, 1: 2, 2: 2}, is_last=False) == 0


def test_the_highest_rung_goes_first() -> None:
    made = halving([0.5, 0.6, 0.7, 0.8])
    made.add(3, 4, (0.8,))
    made.add(2, 4, (0.9,))
    assert made.promoted({0: 2, 1: 2, 2: 4, 3: 4}, is_last=False) == 2
    assert made.promoted({0: 2, 1: 2, 3: 4}, is_last=False) is None
    made.add(4, 2, (0.1,))
    made.add(5, 2, (0.2,))
    assert made.promoted({0: 2, 1: 2, 3: 4, 4: 2, 5: 2}, is_last=False) == 1


@pytest.mark.parametrize(("came", "promoted"), [(3, None), (4, 2)])
def test_the_best_of_enough_candidates_waits_for_no_second_one_at_a_higher_rung(
    came: int, promoted: int | None
) -> None:
    made = halving([0.5, 0.6, 0.7, 0.4][:came])
    made.add(2, 4, (0.8,))
    assert made.promoted({0: 2, 2: 4}, is_last=False) == promoted


def test_what_was_promoted_and_pruned_still_counts_at_its_rung() -> None:
    made = halving([0.9, 0.8, 0.2, 0.1])
    assert made.promoted({2: 2, 3: 2}, is_last=True) is None


def test_epochs_between_rungs_do_not_count() -> None:
    made = Halving([2, 4, 8], Objectives())
    for number in (0, 1):
        made.add(number, 3, (0.5,))
    assert made.promoted({0: 3, 1: 3}, is_last=True) is None


def test_of_too_many_that_wait_the_worst_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_WAITING == 1_000
    monkeypatch.setattr("nas.search.halving.MOST_WAITING", 2)
    made = halving([0.1, 0.5, 0.3, 0.4, 0.2])
    made.add(1, 4, (0.6,))
    assert made.surplus({0: 2, 1: 4, 2: 2, 3: 2, 4: 2}) == [4, 0]
    assert made.surplus({0: 2, 1: 4, 2: 2}) == []


def test_a_large_rung_is_ranked_anew_when_enough_have_come_or_none_will() -> None:
    made = halving([number / 3000 for number in range(3000)])
    assert made.promoted({0: 2}, is_last=False) is None
    for newcomer in (3000, 3001, 3002):
        made.add(newcomer, 2, (1.0,))
        assert made.promoted({0: 2, 3000: 2}, is_last=False) is None
    made.add(3003, 2, (1.0,))
    assert made.promoted({0: 2, 3000: 2}, is_last=False) == 3000
    made.add(3004, 2, (1.0,))
    assert made.promoted({0: 2, 3004: 2}, is_last=False) is None
    assert made.promoted({0: 2, 3004: 2}, is_last=True) == 3004


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_promoting_all_that_may_go_promotes_the_better_half(accuracies: list[float]) -> None:
    made, paused = halving(accuracies), dict.fromkeys(range(len(accuracies)), 2)
    gone = []
    while (number := made.promoted(paused, is_last=False)) is not None:
        del paused[number]
        gone.append(number)
    assert len(gone) == len(accuracies) // 2
    assert all(accuracies[a] >= accuracies[b] for a in gone for b in paused)


def test_with_a_cost_what_nothing_dominates_goes_first() -> None:
    made = Halving([2, 4, 8], Objectives(("params",)))
    for number, values in enumerate([(0.9, 100.0), (0.8, 50.0), (0.85, 100.0), (0.7, 60.0)]):
        made.add(number, 2, values)
    paused = dict.fromkeys(range(4), 2)
    first = made.promoted(paused, is_last=False)
    assert first == 0
    del paused[0]
    assert made.promoted(paused, is_last=False) == 1
    del paused[1]
    assert made.promoted(paused, is_last=False) is None


def test_a_standing_says_by_what_a_trial_is_promoted_or_not() -> None:
    made = halving([0.5, 0.9, 0.6, 0.7, 0.8, 0.4, 0.3, 0.2, 0.1, 0.15, 0.25])
    assert made.standing(3, 2) == "3rd of 11 at epoch 2: top 5 promoted"
    assert made.standing(3, 2, is_last=True) == "3rd of 11 at epoch 2: top 6 promoted"
    assert made.standing(1, 2, count=2) == "1st of 11 at epoch 2: top 2 promoted"
    assert made.standing(8, 2) == "11th of 11 at epoch 2: top 5 promoted"
    assert made.standing(1, 4) == "", "it is not there yet"
