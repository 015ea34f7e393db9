"""An Optuna sampler that proposes feasible candidates only, each of them once in a study."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.space.feasible import FeasiblePart, Judged

ARCHITECTURE = "architecture"
"""The trial's user attribute that holds its network's text form."""

PROPOSED = "nas:proposed"
"""The trial's system attribute that holds it from the moment it is proposed, for the other workers of the study."""

REPEATED = "repeated"
"""The rule that turns away a network that the study holds already."""


class SpaceExhaustedError(Exception):
    """The study holds every feasible network, or none new was found."""


class BulkTPE(TPESampler):
    """TPE that looks for its best candidate among those that are allowed.

    TPE draws candidates from its model of good trials and proposes the one with the best ratio of likelihoods; here
    what is not allowed is left out before the best is taken. Its model is untouched.
    """

    allowed: Callable[[list[dict[str, Any]]], list[bool]] | None = None
    """Which of several choices may be proposed."""
    distributions: Mapping[str, BaseDistribution] = {}
    has_searched = False
    """Whether it has made a model and asked what is allowed."""

    def _compute_acquisition_func(self, samples: dict[str, Any], mpe_below: Any, mpe_above: Any) -> Any:
        values = super()._compute_acquisition_func(samples, mpe_below, mpe_above)
        if self.allowed is None or set(samples) != set(self.distributions):
            return values
        columns = {n: [d.to_external_repr(x) for x in samples[n].tolist()] for n, d in self.distributions.items()}
        self.has_searched = True
        several = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return np.where(self.allowed(several), values, -np.inf)


def tpe(seed: int) -> BaseSampler:
    """Optuna's default for one objective, seeded; it judges the candidates of its own model before it proposes one."""
    return BulkTPE(seed=seed, multivariate=True, constant_liar=True)


class FeasibleSampler(BaseSampler):
    """Filters the proposals of a base sampler; after ``patience`` refused ones it draws from the feasible part.

    The base sampler is made anew for every trial from (seed, trial number), so a study that was interrupted goes on
    with the proposals that it would have made. ``rejected`` counts the base sampler's refused proposals by rule.
    Parameters that are none of the space's are left to the base sampler.
    """

    def __init__(
        self,
        feasible: FeasiblePart,
        *,
        seed: int = 0,
        base: Callable[[int], BaseSampler] = tpe,
        patience: int = 10,
    ) -> None:
        """``base`` makes the base sampler from a seed."""
        self.feasible = feasible
        self.rejected: Counter[str] = Counter()
        self._seed = seed
        self._base = base
        self._patience = patience
        self._others = base(seed)
        self._settled: set[tuple[str, int]] = set()
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters of the space: they are proposed together, because feasibility ties them."""
        return dict(self.feasible.space.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choices of a feasible network that no trial of the study holds.

        Raises SpaceExhaustedError where none is left, or none is found.
        """
        if not set(search_space) <= set(self.feasible.space.distributions):
            return self._foreign(study, trial, search_space)
        with self._lock:
            for attempt in itertools.count():
                choices = self._new(study, trial, attempt)
                text = str(self.feasible.space.decode(choices))
                study._storage.set_trial_system_attr(trial._trial_id, PROPOSED, text)
                if text not in self._refresh(study, trial):  # no other worker has proposed it meanwhile
                    return choices
        raise AssertionError("unreachable")

    def _foreign(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The base sampler's choices of parameters that are none of the space's."""
        base = self._base(self._trial_seed(trial))
        choices = base.sample_relative(study, trial, search_space)
        for name, distribution in search_space.items():
            if name not in choices:
                choices[name] = base.sample_independent(study, trial, name, distribution)
        return choices

    def _new(self, study: Study, trial: FrozenTrial, attempt: int) -> dict[str, Any]:
        seen, space = self._refresh(study, trial), self.feasible.space.distributions
        seed = random.Random(f"{self._seed}/{trial.number}" + f"/{attempt}" * bool(attempt)).getrandbits(32)
        base = self._base(seed)
        if isinstance(base, BulkTPE):
            base.allowed, base.distributions = lambda several: self._allowed(several, seen), space
        for _ in range(self._patience):
            choices = self._propose(base, study, trial, dict(space))
            rule = self._refusal(self.feasible.judge(choices), seen)
            if rule is None:
                return choices
            self.rejected[rule] += 1
            if isinstance(base, BulkTPE) and base.has_searched:
                break  # it has looked among many already
        return self._unseen(seen, np.random.default_rng(seed))

    def _allowed(self, several: list[dict[str, Any]], seen: set[str]) -> list[bool]:
        """Whether each of a base sampler's candidates may be proposed; they are drawn, not proposed, so not counted."""
        broken = self.feasible.broken(self.feasible.vector.encode(several))
        allowed = []
        for choices, row in zip(several, broken, strict=True):
            is_repeated = not row.any() and str(self.feasible.space.decode(choices)) in seen
            allowed.append(not row.any() and not is_repeated)
        return allowed

    def _unseen(self, seen: set[str], generator: np.random.Generator) -> dict[str, Any]:
        """Uniform over what is feasible and not in the study."""
        listed, space = self.feasible.listed, self.feasible.space
        if listed is not None and len(listed):
            for i in generator.permutation(len(listed)):
                choices = space.choices(listed[i])
                if str(space.decode(choices)) not in seen:
                    return choices
            raise SpaceExhaustedError(f"every feasible network is proposed; the study holds {len(seen)}")
        for n in (16, 256, 4096):
            for row in self.feasible.sample_rows(n, generator):
                choices = space.choices(row)
                if str(space.decode(choices)) not in seen:
                    return choices
        raise SpaceExhaustedError(f"no new feasible network in 4,368 draws; the study holds {len(seen)}")

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter outside the space: the base sampler's own choice."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """As Optuna asks in every worker process of one study; our draws hang on the trial's number alone."""
        self._others.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the base sampler prepare."""
        self._others.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Let the base sampler learn what it stores itself."""
        self._others.after_trial(study, trial, state, values)

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With a lock of its own."""
        self.__dict__.update(state, _lock=threading.Lock())

    def _trial_seed(self, trial: FrozenTrial) -> int:
        return random.Random(f"{self._seed}/{trial.number}").getrandbits(32)

    @staticmethod
    def _propose(
        base: BaseSampler, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        choices = base.sample_relative(study, trial, search_space)  # every trial of the study has it whole
        for name, distribution in search_space.items():
            if name not in choices:
                choices[name] = base.sample_independent(study, trial, name, distribution)
        return {name: choices[name] for name in search_space}

    @staticmethod
    def _refusal(judged: Judged, seen: set[str]) -> str | None:
        if judged.broken:
            return judged.broken[0]
        return REPEATED if str(judged.architecture) in seen else None

    def _refresh(self, study: Study, trial: FrozenTrial) -> set[str]:
        """The networks of the study's other trials; what a trial holds for good is read once."""
        open_claims = set()
        for other in study.get_trials(deepcopy=False):
            if (study.study_name, other.number) in self._settled or other.number == trial.number:
                continue
            text = other.user_attrs.get(ARCHITECTURE)
            if text is not None:
                self._settled.add((study.study_name, other.number))
                self._seen.add(text)
            elif PROPOSED in other.system_attrs:
                open_claims.add(other.system_attrs[PROPOSED])
        return self._seen | open_claims if open_claims else self._seen
