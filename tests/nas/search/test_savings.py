from __future__ import annotations

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.confirmation import Confirmation
from nas.search.savings import direct_seconds, savings
from nas.search.study import CURVE


def trial(epochs: int, state: TrialState = TrialState.PRUNED) -> FrozenTrial:
    return create_trial(
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        intermediate_values=dict.fromkeys(range(1, epochs + 1), 0.5),
        user_attrs={CURVE: [{"epoch": n, "seconds": 3.0} for n in range(1, epochs + 1)]},
    )


def test_what_the_rungs_and_the_rules_saved() -> None:
    trials = [trial(1), trial(2), trial(20, TrialState.COMPLETE)]
    found = savings(trials, {"params < 200k": 3, "macs < 5M": 4}, epochs=20, seconds=120.0, direct=60.0)
    assert found == [
        "saved: 37 of 40 epochs of 2 pruned candidates; 7 proposals were rejected before any training",
        "the launch took 2.0 times the training of its best network alone",
    ]


def test_one_proposal_and_one_candidate_are_singular() -> None:
    assert savings([trial(1)], {"params < 200k": 1}, epochs=20, seconds=1.0, direct=0.0) == [
        "saved: 19 of 20 epochs of 1 pruned candidate; 1 proposal was rejected before any training"
    ]


def test_where_nothing_was_saved_nothing_is_said() -> None:
    assert savings([trial(20, TrialState.COMPLETE)], {}, epochs=20, seconds=1.0, direct=0.0) == []


@pytest.mark.parametrize(("seeds", "seconds"), [(0, 20 * 3.0), (1, 90.0), (3, 30.0)])
def test_the_training_of_the_best_is_its_confirmation_where_it_has_one(seeds: int, seconds: float) -> None:
    confirmed = [
        Confirmation(
            trial=0, architecture="", epochs=12, seeds=tuple(range(seeds)), accuracies=(0.8,) * seeds, seconds=90.0
        )
    ]
    assert direct_seconds(trial(20, TrialState.COMPLETE), confirmed if seeds else []) == seconds
