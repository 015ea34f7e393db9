"""The network of an Optuna trial, for an objective of one's own."""

from __future__ import annotations

from optuna import Trial

from constraints.errors import UnusableInputError
from nas.architecture.spec import Architecture
from nas.arguments import checked
from nas.search.trial_store import TrialStore
from nas.space.sampler import FeasibleSampler


@checked
def suggest(trial: Trial) -> Architecture:
    """The network that the study's FeasibleSampler proposes for ``trial``; asked again, the same one.

    The trial keeps its text and its metrics as user attributes, as those of a launch do. Raises UnusableInputError
    where the study has another sampler, or the trial a parameter of its own under a name of the space's;
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
