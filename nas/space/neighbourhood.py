"""Feasible networks one edit away: one parameter has another value."""

from __future__ import annotations

from typing import Any

import numpy as np

from constraints.errors import UnusableInputError
from nas.space.encoding import choices_of
from nas.space.feasible import FeasiblePart
from nas.space.space import Choice, Choices, Encoded


def neighbour_rows(feasible: FeasiblePart, choices: Choices) -> Encoded:
    """Every feasible network that differs from that of ``choices`` in one parameter, once each, in canonical form."""
    vector = feasible.vector
    here = vector.canonical(vector.encode([choices]))
    edits = []
    for column, values in enumerate(feasible.space.parameters.values()):
        for index in range(len(values)):
            row = here[0].copy()
            row[column] = index
            edits.append(row)
    rows = np.unique(vector.canonical(np.array(edits)), axis=0)
    rows = rows[(rows != here[0]).any(axis=1)]
    return np.asarray(rows[vector.feasible(rows, feasible.constraints)])


def neighbours(feasible: FeasiblePart, choices: Choices) -> list[dict[str, Choice]]:
    """The same as choices."""
    return [feasible.space.choices(row) for row in neighbour_rows(feasible, choices)]


def neighbours_of(feasible: FeasiblePart, text: str, source: str) -> dict[str, Any]:
    """The document of ``space --neighbours --format json``: each neighbour with what it changes, and its metrics.

    Raises UnusableInputError where ``text`` is not a network of the space.
    """
    space = feasible.space
    here = choices_of(space, text)
    if here is None:
        raise UnusableInputError(f"not a network of the space {source}: {text!r}: take one that the space can make")
    before = space.choices(feasible.vector.canonical(feasible.vector.encode([here]))[0])
    judged = feasible.judge(before)
    found = []
    for row in neighbour_rows(feasible, before):
        choices = space.choices(row)
        other = feasible.judge(choices)
        found.append(
            {
                "architecture": str(other.architecture),
                "change": {name: [before[name], value] for name, value in choices.items() if before[name] != value},
                "params": other.metrics.params,
                "macs": other.metrics.macs,
                "receptive_field": other.metrics.receptive_field,
            }
        )
    return {"architecture": str(judged.architecture), "broken": list(judged.broken), "neighbours": found}
