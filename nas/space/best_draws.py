"""The best of many feasible draws by a proxy, and what a local search finds from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture
from nas.space.feasible import FeasiblePart
from nas.space.neighbours import neighbour_rows
from nas.space.proxy import LinearProxy, Proxy
from nas.space.space import Choice, Encoded
from nas.space.surrogate import Result, Surrogate

CLIMBERS = 4
"""How many of the best a round looks around."""
ROUNDS = 3
"""Rounds of the local search: one edit each. What it predicts is foreign, so it is not followed to the end."""

Rank = Callable[[Sequence[Architecture], Sequence[Metrics]], npt.NDArray[np.float64]]


def best_first(
    feasible: FeasiblePart, rows: Sequence[Encoded], proxy: Proxy, learnt: Sequence[Result], *, climbs: bool
) -> Iterator[tuple[dict[str, Choice], Architecture]]:
    """Choices and networks, the best by the proxy and by what it learnt first, of equals the first.

    Where it ``climbs``, those of the last of ROUNDS sets: the feasible networks one edit from the best of the set
    before, and these.
    """
    rank: Rank | None = None
    for done in count():
        several = [feasible.space.choices(row) for row in rows]
        networks = [feasible.space.decode(choices) for choices in several]
        metrics = list(feasible.vector.metrics_of(np.stack(rows)))
        rank = rank or _ranking(proxy, learnt, networks, metrics)
        order = np.argsort(-rank(networks, metrics), kind="stable").tolist()
        if not climbs or done == ROUNDS:
            yield from ((several[i], networks[i]) for i in order)
            return
        best = order[:CLIMBERS]
        near = [neighbour_rows(feasible, several[i]) for i in best]
        rows = list(np.unique(np.concatenate([*near, [rows[i] for i in best]]), axis=0))


def _ranking(
    proxy: Proxy, learnt: Sequence[Result], networks: Sequence[Architecture], metrics: Sequence[Metrics]
) -> Rank:
    """The surrogate where there is something to learn from and a proxy that can, else the proxy."""
    if learnt and isinstance(proxy, LinearProxy):
        return Surrogate.fitted(proxy, learnt, networks, metrics).worth
    return lambda networks, metrics: np.array([proxy(one, own) for one, own in zip(networks, metrics, strict=True)])
