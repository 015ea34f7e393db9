"""Values of single iterations, written as a test of a counter, or as elements of the list that a loop goes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.sandbox.iteration_values import FALSE, TRUE, IterationValues
from constraints.source_edits import replaced
from tests.constraints.sandbox.made import made_layers

TEXT = """from torch import nn
net = nn.Sequential(*[nn.Conv2d(3, 3, k, dilation=d) for k, d in [(3, 1), (1, 1)] for _ in range(3)])
"""


@pytest.mark.parametrize(
    ("values", "old", "text"),
    [
        ({0: "2"}, "1", "2 if i == 0 else 1"),
        ({0: "2", 2: "2"}, "1", "2 if i in (0, 2) else 1"),
        ({0: "2", 2: "4"}, "d", "4 if i == 2 else 2 if i == 0 else d"),
        ({1: TRUE}, FALSE, "i == 1"),
    ],
)
def test_an_expression_has_the_value_of_each_iteration(
    tmp_path: Path, values: dict[int, str], old: str, text: str
) -> None:
    made = made_layers(tmp_path, TEXT)
    inner, _ = made.source.loops_around(made.layers["0"][0].call)
    new = IterationValues(made=made)
    written = new.by_index(inner, values, old)
    assert written == text
    for i in range(3):
        assert eval(written, {"i": i, "d": 1}) == eval(values.get(i, old), {"d": 1})
    assert "for i, _ in enumerate(range(3))" in replaced(made.source.bytes, list(new.pieces()))


def test_iterations_of_two_loops_are_tested_together(tmp_path: Path) -> None:
    made = made_layers(tmp_path, TEXT)
    inner, outer = made.source.loops_around(made.layers["0"][0].call)
    new = IterationValues(made=made)
    assert new.by_indices((outer, inner), {(1, 2): "2"}, "1") == "2 if i == 1 and j == 2 else 1"
    assert new.by_indices((outer, inner), {(1, 2): "2", (0, 0): "2"}, "1") == "2 if (i, j) in ((0, 0), (1, 2)) else 1"


def test_an_element_changes_where_a_whole_iteration_does(tmp_path: Path) -> None:
    made, new = (made := made_layers(tmp_path, TEXT)), IterationValues(made=made)
    calls = (made.layers["0"][0].call,)
    assert not new.set_elements(calls, "d", {"0": "2"}), "the same element makes two more layers"
    assert new.set_elements(calls, "d", dict.fromkeys("012", "2"))
    assert "[(3, 2), (1, 1)]" in replaced(made.source.bytes, list(new.pieces()))
