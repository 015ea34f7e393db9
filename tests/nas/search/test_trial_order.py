"""The order of a study's best trials: what was confirmed over the target, then by validation accuracy."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from constraints.errors import UnusableInputError
from nas.search.study import CONFIRMED, TARGET, WON
from nas.search.trial_order import best_trials, has_won, order
from nas.space.attributes import BROKEN, FINISHED, GIVEN


def study(*trials: tuple[float | None, dict[str, Any]], **attrs: Any) -> optuna.Study:
    """A study with complete trials of these accuracies and attributes."""
    made = optuna.create_study(study_name="a", direction="maximize")
    for name, value in attrs.items():
        made.set_user_attr(name, value)
    for accuracy, own in trials:
        values = {} if accuracy is None else {1: accuracy}
        made.add_trial(create_trial(value=accuracy or 0.0, intermediate_values=values, user_attrs=own))
    return made


def confirmed(mean: object) -> dict[str, object]:
    return {"mean": mean, "std": 0.0, "seeds": [0]}


def numbers(made: optuna.Study) -> list[int]:
    return [trial.number for trial in best_trials(made, made.get_trials())]


def test_the_better_is_first_and_of_equal_ones_the_older() -> None:
    expected = [(True, 0.1, 4), (False, 0.9, 7), (False, 0.5, 1), (False, 0.5, 3), (False, 0.0, 0), (False, None, 2)]

    for shuffled in permutations(expected):
        assert sorted(shuffled, key=lambda one: order(*one)) == expected


def test_trials_that_break_a_rule_or_were_in_memory_are_left_out() -> None:
    made = study(
        (0.5, {}),
        (0.9, {BROKEN: ["params < 5"]}),
        (0.8, {GIVEN: {"memory": "abc"}}),
        (0.7, {GIVEN: None}),
        (0.6, {BROKEN: []}),
    )
    made.add_trial(create_trial(state=TrialState.PRUNED, value=0.99))

    assert numbers(made) == [3, 4, 0]


@pytest.mark.parametrize(("mean", "won"), [(0.849, False), (0.85, False), (0.851, True)])
def test_only_more_than_the_target_wins(mean: float, won: bool) -> None:
    made = study((0.9, {}), (0.2, {}), **{WON: [1], TARGET: 0.85, f"{CONFIRMED}1": confirmed(mean)})

    assert numbers(made) == ([1, 0] if won else [0, 1])
    assert [has_won(trial, made.user_attrs) for trial in made.get_trials()] == [False, won]


def test_a_trial_that_was_finished_wins_without_being_listed() -> None:
    made = study((0.9, {}), (0.2, {FINISHED: {"epochs": 3}}), **{TARGET: 0.85, f"{CONFIRMED}1": confirmed(0.9)})

    assert numbers(made) == [1, 0]


@pytest.mark.parametrize(
    "attrs", [{WON: 3}, {WON: [0], f"{CONFIRMED}0": []}, {WON: [0], f"{CONFIRMED}0": confirmed("x"), TARGET: 1}]
)
def test_confirmations_of_another_kind_are_others(attrs: dict[str, Any]) -> None:
    made = study((0.5, {}), **attrs)

    with pytest.raises(
        UnusableInputError,
        match=r"^study 'a' was not made by this tool: (won is 3|confirmed:0 is \[\]|confirmed:0.mean is 'x'), where ",
    ):
        best_trials(made, made.get_trials())
