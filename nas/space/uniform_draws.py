"""Networks drawn uniformly from a space, all of them equally likely, and from the part that keeps constraints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from constraints.rules import Constraint
from nas.space.bulk_metrics import Vector
from nas.space.space import Encoded


def draw(vector: Vector, n: int, generator: np.random.Generator) -> Encoded:
    """``n`` networks, uniform over the different networks of the space, in canonical form.

    Each depth is drawn in proportion to the networks that have it; all else is then uniform and independent.
    """
    space = vector.space
    columns = [generator.integers(len(values), size=n) for values in space.parameters.values()]
    depths = zip(space.stages, vector.graphs[0].sizes_by_depth, strict=True)  # which no form changes
    for number, (stage, sizes) in enumerate(depths, start=1):
        weights = np.array([size / sum(sizes) for size in sizes])
        columns[space.columns[f"c{number}.depth"]] = generator.choice(len(stage.depth), size=n, p=weights)
    return vector.canonical(np.stack(columns, axis=1))


def draw_feasible(
    vector: Vector,
    constraints: Sequence[Constraint],
    n: int,
    generator: np.random.Generator,
    *,
    tries: int,
    batch: int = 1 << 14,
) -> tuple[Encoded, int]:
    """Up to ``n`` networks, uniform over those that keep every constraint, and the number drawn to find them.

    Every draw is uniform over the space and independent, so what passes is uniform over the feasible part, whatever
    the constraints are. Ends after ``tries`` draws with fewer.
    """
    found: list[Encoded] = []
    drawn = kept = 0
    size = min(batch, max(64, 4 * n))
    while kept < n and drawn < tries:
        rows = draw(vector, min(size, tries - drawn), generator)
        good = rows[vector.feasible(rows, constraints)]
        drawn += len(rows)
        kept += len(good)
        found.append(good)
        size = batch
    rows = np.concatenate(found) if found else np.empty((0, len(vector.space.columns)), dtype=np.int64)
    return rows[:n], drawn


def enumerate_all(vector: Vector) -> Encoded:
    """Every network of a small space once, in canonical form."""
    counts = [len(values) for values in vector.space.parameters.values()]
    total = int(np.prod([float(c) for c in counts]))
    rows: npt.NDArray[np.int64] = np.stack(np.unravel_index(np.arange(total), counts), axis=1)
    return np.unique(vector.canonical(rows), axis=0)


def encodings(vector: Vector) -> float:
    """Number of encodings, of which several may be one network."""
    return float(np.prod([float(len(values)) for values in vector.space.parameters.values()]))
