"""Networks one edit away: one parameter takes another value, and every constraint still holds."""

from __future__ import annotations

import numpy as np

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
