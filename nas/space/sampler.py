"""An Optuna sampler that proposes feasible candidates only, each of them once in a study."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, Constraint, parse_all
from nas.architecture.spec import Architecture
from nas.arguments import checked
from nas.space.attributes import ARCHITECTURE
from nas.space.feasible import FeasiblePart
from nas.space.feasible_tpe import Values, tpe
from nas.space.known_networks import KnownNetworks
from nas.space.new_networks import NothingKeptError, SpaceExhaustedError
from nas.space.proposer import MOST_BROKEN, PROXY_TRIALS, REPEATED, Proposer
from nas.space.proxy import LinearProxy
from nas.space.space import Choices, load

__all__ = [
    "CLASH_SECONDS", "MOST_BROKEN", "MOST_CLASHES", "MOST_SEEDS", "PROXY_TRIALS", "REPEATED", "FeasibleSampler",
    "NothingKeptError", "SpaceExhaustedError",
]  # fmt: skip

MOST_CLASHES = 20
"""Times that a worker looks again for the last networks of a space, which others claim at the same moment."""
CLASH_SECONDS = 0.05
"""Longest time for which it waits before it looks again."""

MOST_SEEDS = 2**32
"""Seeds of Optuna's samplers are numpy's: below this."""


class FeasibleSampler(BaseSampler):
    """Filters the proposals of a base sampler; after ``patience`` rejected ones it draws from the feasible part.

    The base sampler is made again for every trial from (seed, trial number), so a proposal depends on these, and on the
    trials and results that the study holds at that moment. An interrupted study resumes with the proposals that it
    would have made where the same results are in by then; several workers may bring them in another order.

    ``rejected`` counts the base sampler's rejected proposals by rule. Parameters that are none of the space's are left
    to the base sampler. With a zero-cost ``proxy``, each of the first PROXY_TRIALS is the best by it
    of PROXY_DRAWS networks, drawn from the feasible part; a linear one learns from the study's results as they come.
    What is feasible by arithmetic may still be ``broken``, by a rule on what has to be measured: it is rejected by that
    rule, once.
    """

    @checked
    def __init__(
        self,
        space: str | Path | FeasiblePart,
        constraints: str | Iterable[str | Constraint] = ASSIGNMENT,
        *,
        seed: int = 0,
        base: Callable[[int], BaseSampler] = tpe,
        patience: int = 10,
        proxy: LinearProxy | None = None,
        values: Values | None = None,
        broken: Callable[[Architecture], str | None] | None = None,
    ) -> None:
        """``space`` is a preset's name or a TOML file, or the feasible part itself, which has its constraints.

        ``base`` makes the base sampler from a seed; ``values`` is needed in a study of several objectives; ``broken``
        says which rule a network breaks, if any.

        Raises UnusableInputError for a space or a constraint that there is not, and where no network keeps the
        constraints.
        """
        if not isinstance(space, FeasiblePart):
            space = FeasiblePart(load(str(space)), parse_all(constraints))
        self.feasible = space
        self.feasible.sample(random.Random(seed))
        self.beside: dict[str, BaseDistribution] = {}
        """Parameters that are proposed with a network and are none of the space's: options of its recipe."""
        self._proposer = Proposer(
            space, seed=seed, base=base, patience=patience, proxy=proxy, values=values, broken=broken
        )
        self._others = base(seed % MOST_SEEDS)
        if not isinstance(self._others, BaseSampler):
            raise UnusableInputError(f"base makes no sampler: {self._others!r}: give a function from a seed to one")
        self._known: WeakKeyDictionary[Study, KnownNetworks] = WeakKeyDictionary()
        self._given: dict[int, Choices] = {}
        self._lock = threading.Lock()

    @property
    def rejected(self) -> Counter[str]:
        """The base sampler's rejected proposals by rule."""
        return self._proposer.rejected

    @property
    def proxy(self) -> LinearProxy | None:
        """What the first trials are chosen by; it may be set until the first one is proposed."""
        return self._proposer.new.proxy

    @proxy.setter
    def proxy(self, proxy: LinearProxy | None) -> None:
        self._proposer.new.proxy = proxy

    @contextmanager
    def given(self, number: int, choices: Choices) -> Iterator[None]:
        """Propose ``choices`` for the trial ``number``, whatever the base sampler would, until the end of the block."""
        self._given[number] = choices
        try:
            yield
        finally:
            del self._given[number]

    def begin_around(self, several: Sequence[Choices]) -> None:
        """Propose at first neighbours of these networks: the proxy's best ones, or without a proxy any.

        Trials of even numbers get them, until the study holds PROXY_TRIALS networks more than there are of these. The
        other trials get what would be proposed without these networks.
        """
        self._proposer.begin_around(several)

    def broken_measured(self, network: Architecture) -> str | None:
        """Which rule on what has to be measured a network breaks, if any."""
        return self._proposer.broken(network)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters of the space: they are proposed together, because feasibility ties them; and those beside.

        Of a trial that has its network already only those beside it.
        """
        space = {} if ARCHITECTURE in trial.user_attrs else self.feasible.space.distributions
        return {**space, **self.beside}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choices of a feasible network that no trial of the study holds.

        Raises SpaceExhaustedError where none is left, or none is found.
        """
        space = self.feasible.space.distributions
        if others := {name: one for name, one in search_space.items() if name not in space}:
            found = self._proposer.beside(study, trial, others)
            within = {name: one for name, one in search_space.items() if name in space}
            return {**self.sample_relative(study, trial, within), **found} if within else found
        if trial.number in self._given:
            self._networks(study).claim(trial.number, str(self.feasible.space.decode(self._given[trial.number])))
            return dict(self._given[trial.number])
        with self._lock:
            return self._claimed(study, trial)

    def _claimed(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """Choices of a network that the trial has claimed in the study before any other worker did."""
        for attempt in itertools.count():
            try:
                choices = self._proposer.choices(study, trial, attempt, self._refresh(study, trial))
            except SpaceExhaustedError:
                if not 0 < attempt < MOST_CLASHES:  # after a clash the last network may be free again
                    if self.beside:  # with other values beside it a network is worth another trial
                        return self._proposer.choices(study, trial, attempt, None)
                    raise
            else:
                text = str(self.feasible.space.decode(choices))
                self._networks(study).claim(trial.number, text)
                if text not in self._refresh(study, trial):  # no other worker has proposed it meanwhile
                    return choices
            self._networks(study).claim(trial.number, "")  # two workers that clash both wait, each for another time
            time.sleep(random.SystemRandom().uniform(0.0, CLASH_SECONDS))
        raise AssertionError("unreachable")

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter outside the space: the base sampler's own choice."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """As Optuna asks in every worker process of one study; our draws depend on the trial's number alone."""
        self._others.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the base sampler prepare."""
        self._others.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Let the base sampler learn what it stores itself."""
        self._others.after_trial(study, trial, state, values)

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock and what was read of studies."""
        return {name: value for name, value in self.__dict__.items() if name not in {"_lock", "_known"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With a lock of its own, and every study to be read again."""
        self.__dict__.update(state, _lock=threading.Lock(), _known=WeakKeyDictionary())

    def _refresh(self, study: Study, trial: FrozenTrial) -> Set[str]:
        """The networks of the study's other trials."""
        return self._networks(study).of_others(study.get_trials(deepcopy=False), trial.number)

    def _networks(self, study: Study) -> KnownNetworks:
        if study not in self._known:
            self._known[study] = KnownNetworks(self.feasible.space, study)
        return self._known[study]
