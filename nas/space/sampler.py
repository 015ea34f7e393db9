"""An Optuna sampler that proposes feasible candidates only, each of them once in a study."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.space.feasible import FeasiblePart, Judged

ARCHITECTURE = "architecture"
"""The trial's user attribute that holds its network's text form."""

REPEATED = "repeated"
"""The rule that turns away a network that the study holds already."""


class SpaceExhaustedError(Exception):
    """No feasible network was found that the study does not hold already."""


def tpe(seed: int) -> BaseSampler:
    """Optuna's default for one objective, seeded."""
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


class FeasibleSampler(BaseSampler):
    """Filters the proposals of a base sampler; after ``patience`` refused ones it draws from the feasible part.

    The base sampler is made anew for every trial from (seed, trial number), so a study that was interrupted goes on
    with the proposals that it would have made. ``rejected`` counts the base sampler's refused proposals by rule.
    """

    def __init__(
        self,
        feasible: FeasiblePart,
        *,
        seed: int = 0,
        base: Callable[[int], BaseSampler] = tpe,
        patience: int = 100,
    ) -> None:
        """``base`` makes the base sampler from a seed."""
        self.feasible = feasible
        self.rejected: Counter[str] = Counter()
        self._seed = seed
        self._base = base
        self._patience = patience

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters: they are proposed together, because feasibility ties them."""
        return dict(self.feasible.space.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choices of a feasible network that no trial of the study holds.

        Raises SpaceExhaustedError where none is found.
        """
        seen = _seen(study)
        seed = random.Random(f"{self._seed}/{trial.number}").getrandbits(32)
        base = self._base(seed)
        for _ in range(self._patience):
            choices = self._propose(base, study, trial, search_space)
            rule = self._refusal(self.feasible.judge(choices), seen)
            if rule is None:
                return choices
            self.rejected[rule] += 1
        generator = random.Random(seed)
        for _ in range(self._patience):
            choices = dict(self.feasible.sample(generator))
            if str(self.feasible.space.decode(choices)) not in seen:
                return choices
        raise SpaceExhaustedError(f"no new feasible network in {self._patience} draws; the study holds {len(seen)}")

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter outside the space: the base sampler's own choice."""
        return self._base(self._seed).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Let the base sampler learn what it stores itself."""
        self._base(self._seed).after_trial(study, trial, state, values)

    @staticmethod
    def _propose(
        base: BaseSampler, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        choices = base.sample_relative(study, trial, base.infer_relative_search_space(study, trial))
        for name, distribution in search_space.items():
            if name not in choices:
                choices[name] = base.sample_independent(study, trial, name, distribution)
        return choices

    @staticmethod
    def _refusal(judged: Judged, seen: set[str]) -> str | None:
        if judged.broken:
            return judged.broken[0]
        return REPEATED if str(judged.architecture) in seen else None


def _seen(study: Study) -> set[str]:
    trials = study.get_trials(deepcopy=False)
    return {t.user_attrs[ARCHITECTURE] for t in trials if ARCHITECTURE in t.user_attrs}
