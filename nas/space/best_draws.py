"""Finds the best of many feasible draws by a proxy, optionally improved by a local search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

from nas.architecture.spec import Architecture
from nas.space.feasible import FeasiblePart
from nas.space.neighbourhood import neighbour_rows
from nas.space.proxy import LinearProxy
from nas.space.proxy_features import ProxyFeatures
from nas.space.space import Choice, Encoded
from nas.space.surrogate import RatedNetwork, Surrogate

CLIMBERS = 4
"""How many of the best networks a round starts from."""
ROUNDS = 3
"""Rounds of the local search, one edit each; few, since the proxy was fitted to other networks."""

Rank = Callable[[ProxyFeatures], npt.NDArray[np.float64]]


def best_first(
    feasible: FeasiblePart, rows: Sequence[Encoded], proxy: LinearProxy, learnt: Sequence[RatedNetwork], *, climbs: bool
) -> Iterator[tuple[dict[str, Choice], Architecture]]:
    """Choices and networks, sorted by the surrogate or proxy, best first; the sort is stable.

    With ``climbs``, they come from the last of ROUNDS sets; each set is the best of the set before and the feasible
    networks one edit from them.
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


def _ranking(proxy: LinearProxy, learnt: Sequence[RatedNetwork], drawn: ProxyFeatures) -> Rank:
    """The surrogate where there are results to learn from, else the proxy."""
    return Surrogate.fitted(proxy, learnt, drawn).worth if learnt else proxy.of
