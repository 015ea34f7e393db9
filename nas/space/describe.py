"""What a space holds, as figures: its size, its feasible part, which constraints bind, what its networks reach."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from constraints.errors import UnusableInputError
from constraints.profiles import read_constraints
from constraints.rules import ASSIGNMENT, Constraint, parse_all
from nas.space import counting, uniform
from nas.space.space import load
from nas.space.tables import ADDED, GREATEST
from nas.space.vector import Vector

DRAWS = 1_000_000
"""Networks that an estimate looks at."""
FORMATS = ("table", "json")


def describe(vector: Vector, constraints: Sequence[Constraint], *, draws: int = DRAWS) -> dict[str, Any]:
    """The document of ``space --format json``.

    ``exact`` tells whether the counts are; where not, they are estimated from ``draws`` uniform networks (an own
    generator, the same in every run), ``share_error`` being the standard error of the share. ``size`` and the ranges of
    added and greatest figures are always exact.
    """
    size = counting.size(vector)
    exact = counting.count(vector, constraints)
    error = 0.0
    histogram: list[dict[str, int]] = []
    if exact is not None:
        rejects, alone = _of_patterns(exact, len(constraints))
        feasible = exact.feasible
        histogram = [{"below": edge, "networks": n} for edge, n in exact.histogram]
    else:
        broken = ~vector.verdicts(uniform.draw(vector, draws, np.random.default_rng(0)), constraints)
        scale = size / draws
        share = float((~broken.any(1)).mean())
        feasible, error = round(share * size), (share * (1 - share) / draws) ** 0.5
        rejects = [round(n * scale) for n in broken.sum(0).tolist()]
        alone = [round(n * scale) for n in broken[broken.sum(1) == 1].sum(0).tolist()]
    return {
        "size": size,
        "feasible": feasible,
        "share": feasible / size,
        "constraints": [
            {"expr": c.expr, "rejects": r, "rejects_alone": a}
            for c, r, a in zip(constraints, rejects, alone, strict=True)
        ],
        "ranges": ranges(vector),
        "exact": exact is not None,
        "share_error": error,
        "histogram": histogram,
        "histogram_of": exact.metric if exact is not None else "",
    }


def _of_patterns(count: counting.Count, n: int) -> tuple[list[int], list[int]]:
    rejects = [sum(times for pattern, times in count.broken.items() if i in pattern) for i in range(n)]
    return rejects, [count.broken[frozenset({i})] for i in range(n)]


def ranges(vector: Vector) -> dict[str, list[int]]:
    """Least and greatest value of each added or greatest figure over the whole space, exactly: [min, max]."""
    found = {}
    for name in (*ADDED, *GREATEST):
        ends = [_extreme(vector, name, form, sign) for sign in (1, -1) for form in range(len(vector.space.forms))]
        half = len(ends) // 2
        shift = int(name == "receptive_field")
        found[name] = [min(ends[:half]) + shift, max(-e for e in ends[half:]) + shift]
    return found


def _extreme(vector: Vector, name: str, form: int, sign: int) -> int:
    """The least of ``sign`` times a figure over all chains of one form: shortest paths over the widths."""
    space = vector.space
    slots = {(s.stage, s.layer): s for s in vector.tables.slots}
    combine = _combine(name, sign)
    best = dict.fromkeys(range(len(space.parameters["c1.width"])), sign * 0)
    for number, stage in enumerate(space.stages, start=1):
        last = slots[number, 0]
        after: dict[int, int] = {}
        for width, value in best.items():
            for residual in range(len(stage.residual)):
                chain = value
                for j in range(1, max(stage.depth)):
                    table = sign * slots[number, j].figures[name][form, width]
                    words = table[min(residual, len(table) - 1), :-1]
                    chain = combine(chain, int(words.min()))
                    for following in range(last.events.shape[2]) if j + 1 in stage.depth else ():
                        end = combine(chain, int((sign * last.figures[name][form, width, following]).min()))
                        after[following] = min(after.get(following, end), end)
        best = after
    heads = sign * slots[len(space.stages) + 1, 0].figures[name][form, :, 0]
    return min(int(combine(value, int(heads[width].min()))) for width, value in best.items())


def _combine(name: str, sign: int) -> Any:
    if name in ADDED:
        return lambda a, b: a + b
    return max if sign > 0 else min


def show_space(source: str, require: Sequence[str], constraints_file: Path | None, form: str) -> int:
    """Print what the space ``source`` holds under the constraints; 1 where nothing is feasible."""
    if form not in FORMATS:
        raise UnusableInputError(f"unknown format: {form!r}: use {', '.join(FORMATS)}")
    expressions = list(require)
    if constraints_file is not None:
        expressions = [*read_constraints(constraints_file), *expressions]
    constraints = parse_all(expressions or ASSIGNMENT)
    found = describe(Vector(load(source)), constraints)
    if form == "json":
        print(json.dumps(found))
    else:
        _print(source, found, Console())
    return 0 if found["feasible"] else 1


def _print(source: str, found: dict[str, Any], console: Console) -> None:
    how = "counted exactly" if found["exact"] else f"estimated from {DRAWS:,} draws, ± {found['share_error']:.2%}"
    console.print(
        f"space {source}: {found['size']:,} networks; feasible: {found['feasible']:,} ({found['share']:.2%}, {how})",
        highlight=False,
    )
    table = Table("constraint", "rejects", "rejects alone")
    for row in found["constraints"]:
        table.add_row(row["expr"], f"{row['rejects']:,}", f"{row['rejects_alone']:,}")
    console.print(table)
    reach = Table("figure", "from", "to")
    for name, (low, high) in found["ranges"].items():
        reach.add_row(name, f"{low:,}", f"{high:,}")
    console.print(reach)
