"""Chooses a trial's feasible network: a base sampler's proposal, or a draw where that finds none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.architecture.spec import Architecture
from nas.space.decisive_trials import DecisiveTrials
from nas.space.feasible import FeasiblePart, Judged
from nas.space.feasible_tpe import BulkTPE, Values
from nas.space.known_networks import Either
from nas.space.neighbourhood import neighbour_rows
from nas.space.new_networks import NewNetworks, NothingKeptError
from nas.space.proxy import LinearProxy
from nas.space.space import Choices, Encoded

PROXY_TRIALS = 16
"""The first trials, beside starting networks; then the base sampler, having learnt from them, takes over."""

REPEATED = "repeated"
"""The rule that rejects a network that is already in the study."""

MOST_BROKEN = 100
"""A search ends after this many successive networks that break a constraint on measured metrics."""


class Proposer:
    """Chooses networks depending on (seed, trial number, attempt) and the study's current content."""

    def __init__(
        self,
        feasible: FeasiblePart,
        *,
        seed: int,
        base: Callable[[int], BaseSampler],
        patience: int,
        proxy: LinearProxy | None,
        values: Values | None,
        broken: Callable[[Architecture], str | None] | None,
    ) -> None:
        """The options are those of ``FeasibleSampler``."""
        self.feasible = feasible
        self.rejected: Counter[str] = Counter()
        """The base sampler's rejected proposals by rule."""
        self.new = NewNetworks(feasible, proxy)
        self._seed, self._base, self._patience = seed, base, patience
        self._values, self._broken = values, broken
        self._decisive = DecisiveTrials()
        self._around: Encoded | None = None
        self._centres = 0

    def begin_around(self, several: Sequence[Choices]) -> None:
        """First propose neighbours of these networks, the proxy's best ones or without a proxy any, for even trials."""
        rows = [neighbour_rows(self.feasible, choices) for choices in several]
        self._around, self._centres = np.unique(np.concatenate(rows), axis=0) if rows else None, len(several)

    def broken(self, network: Architecture) -> str | None:
        """The constraint on measured metrics that a network breaks, if any."""
        return None if self._broken is None else self._broken(network)

    def beside(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The base sampler's choices for parameters that do not belong to the space."""
        seed = random.Random(f"{self._seed}/{trial.number}/beside").getrandbits(32)  # apart from the network's
        return _sampled(self._base_sampler(seed), study, trial, search_space)

    def choices(self, study: Study, trial: FrozenTrial, attempt: int, held: Set[str] | None) -> dict[str, Any]:
        """Choices of a network that satisfies all constraints and is not in ``held``; None allows repeated networks.

        Raises SpaceExhaustedError where no network is left or found.
        """
        salt = f"/{attempt}" * bool(attempt)
        if self._broken is None:
            return self._proposed(study, trial, salt, held)
        for tries in range(MOST_BROKEN):
            choices = self._proposed(study, trial, salt + f"/measured-{tries}" * bool(tries), held)
            network = self.feasible.space.decode(choices)
            rule = self._broken(network)
            if rule is None:
                return choices
            self.rejected[rule] += 1
            self.new.rejected.add(str(network))
        raise NothingKeptError(f"{MOST_BROKEN} networks in a row were rejected by {rule}: relax it, or the others")

    def _proposed(self, study: Study, trial: FrozenTrial, salt: str, held: Set[str] | None) -> dict[str, Any]:
        """Choices of a network that satisfies the computed constraints, is not in ``held``, and was not rejected."""
        known, space = held or frozenset[str](), self.feasible.space.distributions
        seen = Either(known, self.new.rejected)
        seed = random.Random(f"{self._seed}/{trial.number}" + salt).getrandbits(32)
        if held is not None and len(known) < PROXY_TRIALS + self._centres:
            first = self._first(study, trial, np.random.default_rng(seed), seen)
            if first is not None:
                return first
        base = self._base_sampler(seed)
        if isinstance(base, BulkTPE):
            base.feasible, base.distributions = self._feasible, space
            base.is_new = lambda choices: str(self.feasible.space.decode(choices)) not in seen
        for _ in range(self._patience):
            sampled = _sampled(base, study, trial, dict(space))
            choices = {name: sampled[name] for name in space}
            rule = _refusal(self.feasible.judge(choices), seen)
            if rule is None:
                return choices
            self.rejected[rule] += 1
            if isinstance(base, BulkTPE) and base.has_searched:
                break  # it has already tried many candidates
        return self.new.unseen(seen, np.random.default_rng(seed))

    def _first(
        self, study: Study, trial: FrozenTrial, generator: np.random.Generator, seen: Set[str]
    ) -> dict[str, Any] | None:
        """What is proposed before the base sampler has results, which has the turn where this is None.

        With starting networks, trials of even numbers get one of their neighbours. The others get what a search without
        them would propose, since the whole space may have better networks than any that is near.
        """
        learnt = self.new.learnt(study)
        if self._around is not None and trial.number % 2 == 0:
            order = generator.permutation(len(self._around))
            near = self.new.best(iter(self._around[order]), seen, learnt, climbs=False)
            if near is not None:
                return near
        return None if self.new.proxy is None else self.new.unseen(seen, generator, learnt)

    def _base_sampler(self, seed: int) -> BaseSampler:
        """A new base sampler; a TPE keeps what earlier ones knew of the study's trials."""
        base = self._base(seed)
        if isinstance(base, BulkTPE):
            base.values, base.decisive = self._values, self._decisive
        return base

    def _feasible(self, several: list[dict[str, Any]]) -> npt.NDArray[np.bool_]:
        """Which of a base sampler's candidates may be proposed; these do not count as proposals."""
        return self.feasible.vector.feasible(self.feasible.vector.encode(several), self.feasible.constraints)


def _sampled(
    base: BaseSampler, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
) -> dict[str, Any]:
    """A sampler's joint proposal, with independent choices for parameters that it leaves out."""
    choices = base.sample_relative(study, trial, search_space)
    for name, distribution in search_space.items():
        if name not in choices:
            choices[name] = base.sample_independent(study, trial, name, distribution)
    return choices


def _refusal(judged: Judged, seen: Set[str]) -> str | None:
    """The rule that rejects a proposal; None where none does."""
    if judged.broken:
        return judged.broken[0]
    return REPEATED if str(judged.architecture) in seen else None
