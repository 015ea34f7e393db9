"""Draws feasible networks that are not in a study yet: uniformly, or the best by a proxy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set
from typing import Any

import numpy as np
from optuna.study import Study

from nas.space.best_draws import best_first
from nas.space.feasible import FeasiblePart
from nas.space.proxy import LinearProxy
from nas.space.space import Choice, Encoded
from nas.space.surrogate import RatedNetwork, results

PROXY_DRAWS = 1024
"""Feasible networks from which the proxy chooses the best for one trial."""


class SpaceExhaustedError(Exception):
    """The study contains every feasible network, or no new one was found."""


class NothingKeptError(SpaceExhaustedError):
    """No network was found that satisfies the constraints on measured metrics; the message says so."""


class NewNetworks:
    """Draws from the feasible part, without the ``seen`` networks (texts)."""

    def __init__(self, feasible: FeasiblePart, proxy: LinearProxy | None = None) -> None:
        """With a ``proxy``, each network is the best of PROXY_DRAWS draws by it."""
        self.feasible, self.proxy = feasible, proxy
        self.rejected: set[str] = set()
        """Networks that break a constraint on measured metrics."""

    def learnt(self, study: Study) -> Sequence[RatedNetwork]:
        """What the proxy can learn from a study so far."""
        return results(study) if self.proxy is not None else ()

    def unseen(
        self, seen: Set[str], generator: np.random.Generator, learnt: Sequence[RatedNetwork] = ()
    ) -> dict[str, Any]:
        """Uniform over the feasible networks that are not in the study, or the proxy's best of several such draws."""
        listed = self.feasible.listed
        if listed is not None and len(listed):
            order = (listed[i] for i in generator.permutation(len(listed)))  # lazily, without copying the list
            if (best := self.best(order, seen, learnt)) is not None:
                return best
            raise SpaceExhaustedError(f"every feasible network is proposed; {self._tally(seen)}")
        draws = (16, 256, 4096) if self.proxy is None else (PROXY_DRAWS, 4096)
        for n in draws:
            if (best := self.best(iter(self.feasible.sample_rows(n, generator)), seen, learnt)) is not None:
                return best
        raise SpaceExhaustedError(f"no new feasible network in {sum(draws):,} draws; {self._tally(seen)}")

    def best(
        self, rows: Iterator[Encoded], seen: Set[str], learnt: Sequence[RatedNetwork], *, climbs: bool = True
    ) -> dict[str, Choice] | None:
        """The first network not ``seen``, or the proxy's best around PROXY_DRAWS; None where there is none."""
        space = self.feasible.space
        while few := list(itertools.islice(rows, 1 if self.proxy is None else PROXY_DRAWS)):
            if self.proxy is None:
                found = iter([(choices, space.decode(choices)) for choices in map(space.choices, few)])
            else:
                found = best_first(self.feasible, few, self.proxy, learnt, climbs=climbs)
            for choices, network in found:  # texts are made lazily, since that takes as long as everything else
                if str(network) not in seen:
                    return choices
        return None

    def _tally(self, seen: Set[str]) -> str:
        broken = len(self.rejected)
        return f"the study holds {len(seen) - broken}" + f", and {broken} broke what is measured" * bool(broken)
