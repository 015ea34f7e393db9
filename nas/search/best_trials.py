"""Which trials of a study are its best: one order for every reader of it; no Optuna."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from nas.search.stored import Seen, TrialState
from nas.search.study import CONFIRMED, MALFORMED, TARGET, WON, Described, accuracy, foreign
from nas.space.attributes import BROKEN, FINISHED, GIVEN

T = TypeVar("T", bound=Seen)


def best_trials(study: Described, trials: Iterable[T]) -> list[T]:
    """The complete ones of a study's ``trials`` that keep the rules and can be made again, the best first.

    A model that was given in memory cannot. Raises UnusableInputError for a study that this tool did not make.
    """
    kept = [t for t in trials if t.state == TrialState.COMPLETE and not t.user_attrs.get(BROKEN) and not _is_memory(t)]
    try:
        return sorted(kept, key=lambda t: order(has_won(t, study.user_attrs), accuracy(t), t.number))
    except MALFORMED:
        raise foreign(study, "its confirmations or accuracies are of another kind") from None


def order(won: bool, accuracy: float | None, number: int) -> tuple[bool, bool, float, int]:
    """What puts the better of two complete trials before the other, by the accuracy that their study judges by.

    A network that won is what the search looked for, though its validation accuracy may be that of a few epochs. All
    others are compared by theirs.
    """
    return not won, accuracy is None, -(accuracy or 0.0), number


def has_won(trial: Seen, study_attrs: Mapping[str, Any]) -> bool:
    """Whether the search looked for confirmed networks over the target, and a trial's is one."""
    if FINISHED not in trial.user_attrs and trial.number not in study_attrs.get(WON, ()):
        return False
    mean, target = study_attrs.get(f"{CONFIRMED}{trial.number}", {}).get("mean"), study_attrs.get(TARGET)
    return mean is not None and target is not None and float(mean) > float(target)


def _is_memory(trial: Seen) -> bool:
    return bool((trial.user_attrs.get(GIVEN) or {}).get("memory"))
