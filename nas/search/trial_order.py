"""The best trials of a study, in the one order that every command uses; loads no Optuna."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from nas.search.stored import SeenTrial, TrialState
from nas.search.stored_values import check_confirmation, check_study
from nas.search.study import CONFIRMED, TARGET, WON, Described, accuracy
from nas.space.attributes import BROKEN, FINISHED, GIVEN

T = TypeVar("T", bound=SeenTrial)


def best_trials(study: Described, trials: Iterable[T]) -> list[T]:
    """The complete trials of a study that keep its rules and whose network can be built again, best first.

    A model that was given in memory cannot be built again. Raises UnusableInputError for a study that this tool did not
    make.
    """
    check_study(study)
    kept = [t for t in trials if t.state == TrialState.COMPLETE and not t.user_attrs.get(BROKEN) and not _is_memory(t)]
    for trial in kept:
        if f"{CONFIRMED}{trial.number}" in study.user_attrs:
            check_confirmation(study, trial.number)
    return sorted(kept, key=lambda t: order(has_won(t, study.user_attrs), accuracy(t), t.number))


def order(won: bool, accuracy: float | None, number: int) -> tuple[bool, bool, float, int]:
    """The sort key that puts the better of two complete trials first, by the accuracy that their study maximises.

    A network that won (confirmed over the target) comes first, whatever its validation accuracy, which may be from a
    few epochs only. All others are compared by validation accuracy.
    """
    return not won, accuracy is None, -(accuracy or 0.0), number


def has_won(trial: SeenTrial, study_attrs: Mapping[str, Any]) -> bool:
    """Whether the search ended at confirmed networks over the target and this trial's network is one of them."""
    if FINISHED not in trial.user_attrs and trial.number not in study_attrs.get(WON, ()):
        return False
    mean, target = study_attrs.get(f"{CONFIRMED}{trial.number}", {}).get("mean"), study_attrs.get(TARGET)
    return mean is not None and target is not None and float(mean) > float(target)


def _is_memory(trial: SeenTrial) -> bool:
    given = trial.user_attrs.get(GIVEN)
    return isinstance(given, Mapping) and bool(given.get("memory"))
