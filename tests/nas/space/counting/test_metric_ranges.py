"""Which values the metrics of a space's networks can have."""

from typing import Any

import numpy as np
import pytest

from constraints.metrics import Metrics
from nas.space import uniform_draws
from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector
from nas.space.counting.metric_ranges import ranges
from nas.space.space import Space, load


def small(**changed: Any) -> Space:
    widths = {"low": 8, "high": 16, "step": 8}
    stage = {
        "depth": [2, 3], "width": widths, "body": ["c3", "sep5d2se4", "pw"], "down": ["c3"],
        "residual": [False, True],
    }  # fmt: skip
    table = {
        "forms": ["strided", "dilated"], "activations": ["relu"], "heads": ["fc", "gap"],
        "stage_dilations": [2, 2], "last_width": widths, "stages": [stage, stage],
    }  # fmt: skip
    return Space.model_validate(table | changed)


@pytest.mark.parametrize("forms", [["strided"], ["dilated"], ["strided", "strided-last", "dilated"]])
def test_ranges_are_those_of_every_network(forms: list[str]) -> None:
    vector = Vector(small(forms=forms))
    networks = [metrics(vector.space.decode(vector.choices(row))) for row in uniform_draws.enumerate_all(vector)]
    found = ranges(vector)
    assert list(found) == list(Metrics.definitions())
    for name, wanted in found.items():
        values = [x for m in networks for x in np.atleast_1d(getattr(m, name)).tolist()]
        assert wanted == [min(values), max(values)], name


def test_the_default_space_by_hand() -> None:
    found = ranges(Vector(load("assignment")))
    assert found["downsampled_by"] == [1, 16]
    assert found["convs"] == [4 * 3, 1 + 4 * 3 * 2 - 1]  # all plain; all separable but the stem, and the head's 1x1
    # Of the widest field: the stem, stage 1 at jump 1, the others at jumps 2, 4 and 8; a 5x5 adds 4 jumps.
    assert found["receptive_field"][1] == 1 + (2 + 4 + 4) + 3 * 4 * (2 + 4 + 8)
