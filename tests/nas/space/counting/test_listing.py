"""Every feasible network of a large space."""

from functools import cache

import numpy as np
import pytest

from constraints.metrics import Metrics
from constraints.rules import ASSIGNMENT, parse_all
from nas.space import uniform_draws
from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector
from nas.space.counting import listing
from nas.space.counting.listing import list_feasible
from nas.space.space import Encoded, Space, load
from tests.nas.space.tallied import tally


def small() -> Vector:
    widths = {"low": 8, "high": 16, "step": 8}
    stage = {
        "depth": [2, 3], "width": widths, "body": ["c3", "sep3d2se4"], "down": ["c3"],
        "residual": [False, "scaled"],
    }  # fmt: skip
    return Vector(
        Space.model_validate(
            {
                "forms": ["strided", "dilated"], "activations": ["relu", "silu"], "heads": ["fc", "gap"],
                "stage_dilations": [2, 2], "last_width": {"low": 8, "high": 8}, "stages": [stage, stage],
            }
        )
    )  # fmt: skip


@cache
def known() -> tuple[Encoded, tuple[Metrics, ...]]:
    """Every encoding of ``small``, and the metrics of its network one by one."""
    vector = small()
    rows = uniform_draws.enumerate_all(vector)
    return rows, tuple(metrics(vector.space.decode(vector.choices(row))) for row in rows)


@pytest.mark.parametrize(
    "expressions",
    [
        [], ["params < 2k"], ["params > 4k", "macs < 2M"], ["receptive_field == 19"], ["receptive_field != 19"],
        ["dilated_convs >= 1", "trainable_params <= 3k", "stages == 2"], ["params < 10"],
    ],
)  # fmt: skip
def test_what_is_listed_is_what_an_enumeration_finds(expressions: list[str]) -> None:
    vector, constraints = small(), parse_all(expressions)
    rows = uniform_draws.enumerate_all(vector)
    found = list_feasible(vector, constraints)
    assert found is not None
    assert found.tolist() == rows[vector.feasible(rows, constraints)].tolist()


def test_a_few_of_trillions_are_listed_as_they_are_counted_by_hand() -> None:
    vector, constraints = Vector(load("assignment")), parse_all([*ASSIGNMENT, "params < 5500"])
    found = list_feasible(vector, constraints)
    assert found is not None
    assert len(found) == tally("assignment", below=5500).total() > 1_000
    assert len(np.unique(vector.canonical(found), axis=0)) == len(found)
    assert vector.feasible(found, constraints).all()


def test_too_many_prefixes_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_ROWS", 100)
    assert list_feasible(small(), ()) is None
