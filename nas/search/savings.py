"""What pruning and constraints saved, as a line or two for the end of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.search.confirmation import Confirmation
from nas.search.study import CURVE
from nas.search.trial_store import is_given
from nas.words import counted


def savings(
    trials: Sequence[FrozenTrial], rejected: Mapping[str, int], *, epochs: int, seconds: float, direct: float
) -> list[str]:
    """Epochs saved by pruning, rejected proposals, and the launch's time relative to one training of the best network.

    ``epochs`` is the budget of a candidate, ``seconds`` the duration of the launch, ``direct`` that of the best
    network's training, or 0 where there is none.
    """
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED and not is_given(trial)]
    trained = sum(len(trial.intermediate_values) for trial in pruned)
    lines = []
    if pruned:
        spared = len(pruned) * epochs - trained
        lines.append(
            f"saved: {spared:,} of {len(pruned) * epochs:,} epochs of {counted(len(pruned), 'pruned candidate')}"
        )
    if count := sum(rejected.values()):
        lines.append(f"{counted(count, 'proposal')} {'was' if count == 1 else 'were'} rejected before any training")
    text = ["; ".join(lines)] if lines else []
    if 0 < direct <= seconds:  # less than direct: the launch resumed a search, and took only a part of its time
        text.append(f"the launch took {seconds / direct:.1f} times the training of its best network alone")
    return text


def direct_seconds(trial: FrozenTrial, confirmed: Sequence[Confirmation]) -> float:
    """Seconds of one full training of a network: its longest confirmation, or else its training in the search."""
    if confirmed:
        return confirmed[0].seconds / len(confirmed[0].seeds)
    return sum(float(epoch["seconds"]) for epoch in trial.user_attrs.get(CURVE, ()))
