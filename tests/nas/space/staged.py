"""Stages by brute force: every choice of dilated convolutions that stand in for strides, each split counted again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, combinations
from typing import Any

from constraints.rules import Constraint
from constraints.stages import Place
from nas.architecture.spec import Architecture
from nas.space.analytic import body, metrics
from tests.nas.space.counting.test_listing import known, small

STRUCTURE = ("stages", "convs_per_stage")


def splits(path: Sequence[Place]) -> Iterator[list[int]]:
    """Convolutions of each stage, for every choice of stand-ins, the one without any first."""
    strided = {i for i, place in enumerate(path) if place.is_strided}
    dilated = [i for i, place in enumerate(path) if place.is_dilated and i not in strided]
    for chosen in chain.from_iterable(combinations(dilated, n) for n in range(len(dilated) + 1)):
        stages, is_spatial = [0], False
        for i, place in enumerate(path):
            stages[-1] += place.counts
            is_spatial = is_spatial or place.is_spatial
            if i in strided or i in chosen:
                stages.append(0)
                is_spatial = False
        yield stages if is_spatial else stages[:-1]


def staged(network: Architecture) -> list[dict[str, Any]]:
    """The metrics of a network under each split, that by strides first."""
    figures = metrics(network).as_dict()
    found = splits(body(network).path)
    return [{**figures, "stages": len(stages), "convs_per_stage": stages} for stages in found]


@cache
def known_splits() -> tuple[list[dict[str, Any]], ...]:
    """``staged`` of every encoding of ``small``."""
    vector, (rows, _) = small(), known()
    return tuple(staged(vector.space.decode(vector.choices(row))) for row in rows)


def keeps(network: Architecture, constraints: Sequence[Constraint]) -> list[bool]:
    """Which constraints a network keeps: those on stages all where some split keeps all, else as by strides."""
    every = [[_holds(c, figures) for c in constraints] for figures in staged(network)]
    structure = [i for i, c in enumerate(constraints) if c.metric in STRUCTURE]
    if any(all(kept[i] for i in structure) for kept in every):
        return [kept or i in structure for i, kept in enumerate(every[0])]
    return every[0]


def _holds(constraint: Constraint, figures: dict[str, Any]) -> bool:
    value = figures[constraint.metric]
    entries = value if isinstance(value, (list, tuple)) else [value]
    return all(constraint.holds(entry) for entry in entries or [0])
