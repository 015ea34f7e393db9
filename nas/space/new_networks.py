"""Networks that a study does not hold yet, drawn from the feasible part: any, or the best by a proxy."""

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
from nas.space.surrogate import Result, results

PROXY_DRAWS = 1024
"""Feasible networks of which the proxy chooses the best for one trial."""


class SpaceExhaustedError(Exception):
    """The study holds every feasible network, or none new was found."""


class NothingKeptError(SpaceExhaustedError):
    """No network was found that keeps the rules on what is measured; the message says so."""


class NewNetworks:
    """Draws of the feasible part without what is ``seen``: texts of networks."""

    def __init__(self, feasible: FeasiblePart, proxy: LinearProxy | None = None) -> None:
        """With a ``proxy``, the best by it of PROXY_DRAWS draws."""
        self.feasible, self.proxy = feasible, proxy
        self.rejected: set[str] = set()
        """Those that break a rule on what is measured."""

    def learnt(self, study: Study) -> Sequence[Result]:
        """What the proxy can learn from a study so far."""
        return results(study) if self.proxy is not None else ()

    def unseen(self, seen: Set[str], generator: np.random.Generator, learnt: Sequence[Result] = ()) -> dict[str, Any]:
        """Uniform over what is feasible and not in the study, or the best of several such draws by the proxy."""
        listed = self.feasible.listed
        if listed is not None and len(listed):
            order = (listed[i] for i in generator.permutation(len(listed)))  # without a copy of all
            if (best := self.best(order, seen, learnt)) is not None:
                return best
            raise SpaceExhaustedError(f"every feasible network is proposed; {self._tally(seen)}")
        draws = (16, 256, 4096) if self.proxy is None else (PROXY_DRAWS, 4096)
        for n in draws:
            if (best := self.best(iter(self.feasible.sample_rows(n, generator)), seen, learnt)) is not None:
                return best
        raise SpaceExhaustedError(f"no new feasible network in {sum(draws):,} draws; {self._tally(seen)}")

    def best(
        self, rows: Iterator[Encoded], seen: Set[str], learnt: Sequence[Result], *, climbs: bool = True
    ) -> dict[str, Choice] | None:
        """The first network not ``seen``, or the proxy's best around PROXY_DRAWS; None where there is none."""
        space = self.feasible.space
        while few := list(itertools.islice(rows, 1 if self.proxy is None else PROXY_DRAWS)):
            if self.proxy is None:
                found = iter([(choices, space.decode(choices)) for choices in map(space.choices, few)])
            else:
                found = best_first(self.feasible, few, self.proxy, learnt, climbs=climbs)
            for choices, network in found:  # only the best are printed, which takes as long as all the rest
                if str(network) not in seen:
                    return choices
        return None

    def _tally(self, seen: Set[str]) -> str:
        broken = len(self.rejected)
        return f"the study holds {len(seen) - broken}" + f", and {broken} broke what is measured" * bool(broken)
