"""Describes a space in numbers: size, feasible part, which constraints bind, ranges of the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from constraints.rules import Constraint
from constraints.verdicts import judge
from nas.architecture.spec import Architecture
from nas.space import uniform_draws
from nas.space.bulk_metrics import Mask, Vector
from nas.space.counting import exact_count
from nas.space.counting.metric_ranges import ranges
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.space import Encoded

DRAWS = 1_000_000
"""Sample size of an estimate."""
OWN_DRAWS = 500
"""Sample size where each network must be built, for a user's metric."""

Bins = list[dict[str, int | None]]


@dataclass(frozen=True, kw_only=True)
class OwnMetrics:
    """A user's metrics; ``measure`` computes them for networks, which may have to be built for it."""

    names: tuple[str, ...]
    measure: Callable[[Sequence[Architecture]], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class FeasibleCount:
    """The feasible part, counted or estimated."""

    feasible: int
    rejects: Sequence[int]
    rejects_are_exact: Sequence[bool]
    alone: Sequence[int]
    histogram: Bins
    histogram_is_exact: bool
    draws: int = 0
    """Sample size of the estimate; 0 for an exact count."""


def describe(
    vector: Vector, constraints: Sequence[Constraint], *, draws: int = DRAWS, own: OwnMetrics | None = None
) -> dict[str, Any]:
    """The document of ``space --format json``.

    ``exact`` says whether the counts are exact; otherwise they are estimated from ``draws`` uniform networks (with a
    fixed seed), and ``share_error`` is the standard error of the share. ``size`` and ``ranges`` are always exact;
    ``rejects`` of a single constraint is so more often than the rest (``rejects_exact``). The histogram shows the
    feasible networks' parameters, from the first non-empty bin to the last.
    """
    size = exact_count.size(vector)
    needs_models = own is not None and any(c.metric in own.names for c in constraints)
    found = None if needs_models else _counted(vector, constraints)
    if found is None:
        found = _estimated(vector, constraints, min(draws, OWN_DRAWS) if needs_models else draws, own)
    share = found.feasible / size
    return {
        "size": size,
        "feasible": found.feasible,
        "share": share,
        "constraints": [
            {"expr": c.expr, "rejects": r, "rejects_alone": a, "rejects_exact": e}
            for c, r, a, e in zip(constraints, found.rejects, found.alone, found.rejects_are_exact, strict=True)
        ],
        "ranges": ranges(vector),
        "exact": not found.draws,
        "draws": found.draws,
        "share_error": (share * (1 - share) / found.draws) ** 0.5 if found.draws else 0.0,
        "histogram": found.histogram,
        "histogram_of": "params",
        "histogram_exact": found.histogram_is_exact,
    }


def relaxation(feasible: FeasiblePart) -> str:
    """The smallest change of the constraints that makes some network feasible, in words; empty where one is."""
    try:
        feasible.sample_rows(1, np.random.default_rng(0))
    except EmptySpaceError as error:
        return str(error)
    return ""


def _counted(vector: Vector, constraints: Sequence[Constraint]) -> FeasibleCount | None:
    count = exact_count.count(vector, constraints)
    rejects = [exact_count.rejects(vector, c, constraints) for c in constraints] if count is not None else []
    if count is None or None in rejects:
        return None
    is_exact = count.metric == "params" and count.histogram[-1][0] is not None  # all above is no histogram
    exact: Bins = [{"below": edge, "networks": n} for edge, n in count.histogram]
    return FeasibleCount(
        feasible=count.feasible,
        rejects=[r for r in rejects if r is not None],
        rejects_are_exact=[True] * len(constraints),
        alone=count.alone,
        histogram=_trimmed(exact) if is_exact else _drawn_histogram(vector, constraints, count.feasible),
        histogram_is_exact=is_exact,
    )


def _drawn_histogram(vector: Vector, constraints: Sequence[Constraint], feasible: int) -> Bins:
    """The histogram for a count that did not track only parameters."""
    rows, _ = uniform_draws.draw_feasible(vector, constraints, 100_000, np.random.default_rng(0), tries=DRAWS)
    return _histogram(vector, rows, feasible)


def _estimated(vector: Vector, constraints: Sequence[Constraint], draws: int, own: OwnMetrics | None) -> FeasibleCount:
    size = exact_count.size(vector)
    rows = uniform_draws.draw(vector, draws, np.random.default_rng(0))
    broken = ~_verdicts(vector, rows, constraints, own)
    fine = ~broken.any(1)
    feasible = _scaled(int(fine.sum()), size, draws)
    names = own.names if own is not None else ()
    exact = [None if c.metric in names else exact_count.rejects(vector, c, constraints) for c in constraints]
    drawn = [_scaled(n, size, draws) for n in broken.sum(0).tolist()]
    return FeasibleCount(
        feasible=feasible,
        rejects=[about if known is None else known for about, known in zip(drawn, exact, strict=True)],
        rejects_are_exact=[known is not None for known in exact],
        alone=[_scaled(n, size, draws) for n in broken[broken.sum(1) == 1].sum(0).tolist()],
        histogram=_histogram(vector, rows[fine], feasible),
        histogram_is_exact=False,
        draws=draws,
    )


def _verdicts(vector: Vector, rows: Encoded, constraints: Sequence[Constraint], own: OwnMetrics | None) -> Mask:
    """(n, constraints): the verdicts, including constraints on a user's metrics."""
    names = own.names if own is not None else ()
    result = np.empty((len(rows), len(constraints)), dtype=bool)
    ours = [i for i, c in enumerate(constraints) if c.metric not in names]
    result[:, ours] = vector.verdicts(rows, [constraints[i] for i in ours])
    theirs = [i for i, c in enumerate(constraints) if c.metric in names]
    if own is not None and theirs:
        measured = own.measure([vector.space.decode(vector.choices(row)) for row in rows])
        for metrics, verdict in zip(measured, result, strict=True):
            verdict[theirs] = [v.ok for v in judge([constraints[i] for i in theirs], metrics)]
    return result


def _histogram(vector: Vector, feasible_rows: Encoded, feasible: int) -> Bins:
    """Histogram of the parameters of a sample of feasible networks, scaled to the number of all."""
    if not len(feasible_rows):
        return []
    params = vector.metric(feasible_rows, "params")
    top = int(params.max()) + 1
    ends = sorted({top * (i + 1) // exact_count.BINS for i in range(exact_count.BINS)} - {0})
    counts = np.histogram(params, [0, *ends])[0].tolist()
    bins: Bins = [
        {"below": e, "networks": _scaled(n, feasible, len(params))} for e, n in zip(ends, counts, strict=True)
    ]
    return _trimmed(bins)


def _trimmed(bins: Bins) -> Bins:
    """The bins without empty ones at either end."""
    held = [i for i, one in enumerate(bins) if one["networks"]]
    return bins[held[0] : held[-1] + 1] if held else []


def _scaled(number: int, whole: int, draws: int) -> int:
    """``number`` of so many draws as a part of ``whole``, to the nearest whole number."""
    return (2 * number * whole + draws) // (2 * draws)
