"""Suggests a network in an Optuna trial, for a user's own objective function."""

from __future__ import annotations

from optuna import Trial

from constraints.errors import UnusableInputError
from nas.architecture.spec import Architecture
from nas.arguments import checked
from nas.search.trial_store import TrialStore
from nas.space.sampler import FeasibleSampler


@checked
def suggest(trial: Trial) -> Architecture:
    """The network that the study's FeasibleSampler proposes for ``trial``; the same one if called again.

    Its text and metrics are stored as user attributes of the trial, as in a launch. Raises UnusableInputError where the
    study has another sampler, or the trial has its own parameter with the name of one of the space's;
    SpaceExhaustedError where no new network is left.
    """
    sampler, store = trial.study.sampler, TrialStore(trial.study)
    if not isinstance(sampler, FeasibleSampler):
        raise UnusableInputError(
            f"no space to suggest from: the study's sampler is {type(sampler).__name__}: "
            "make the study with sampler=nas.FeasibleSampler(...)"
        )
    space = sampler.feasible.space
    for name, own in trial.distributions.items():
        if name in space.parameters and own != space.distributions.get(name):
            raise UnusableInputError(f"the name of a parameter of the space: {name!r}: rename your own parameter")
    judged = sampler.feasible.judge(store.suggest(trial, space.distributions))
    store.set_metrics(trial, judged.metrics)
    store.set_architecture(trial, judged.architecture)
    return judged.architecture
