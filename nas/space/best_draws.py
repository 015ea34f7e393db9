"""The best of many feasible draws by a proxy, and what a local search finds from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

from nas.architecture.spec import Architecture
from nas.space.feasible import FeasiblePart
from nas.space.neighbours import neighbour_rows
from nas.space.proxy import LinearProxy
from nas.space.proxy_features import ProxyFeatures
from nas.space.space import Choice, Encoded
from nas.space.surrogate import Result, Surrogate

CLIMBERS = 4
"""How many of the best a round looks around."""
ROUNDS = 3
"""Rounds of the local search: one edit each. What it predicts is foreign, so it is not followed to the end."""

Rank = Callable[[ProxyFeatures], npt.NDArray[np.float64]]


def best_first(
    feasible: FeasiblePart, rows: Sequence[Encoded], proxy: LinearProxy, learnt: Sequence[Result], *, climbs: bool
) -> Iterator[tuple[dict[str, Choice], Architecture]]:
    """Choices and networks, the best by the proxy and by what it learnt first, of equals the first.

    Where it ``climbs``, those of the last of ROUNDS sets: the feasible networks one edit from the best of the set
    before, and these.
    """
    space, several = feasible.space, np.stack(rows)
    rank: Rank | None = None
    for done in count():
        features = feasible.features(several)
        rank = rank or _ranking(proxy, learnt, features)
        order = np.argsort(-rank(features), kind="stable")
        if not climbs or done == ROUNDS:
            yield from ((choices, space.decode(choices)) for choices in map(space.choices, several[order]))
            return
        best = several[order[:CLIMBERS]]
        near = [neighbour_rows(feasible, space.choices(row)) for row in best]
        several = np.unique(np.concatenate([*near, best]), axis=0)


def _ranking(proxy: LinearProxy, learnt: Sequence[Result], drawn: ProxyFeatures) -> Rank:
    """The surrogate where there is something to learn from, else the proxy."""
    return Surrogate.fitted(proxy, learnt, drawn).worth if learnt else proxy.of
