"""The figures of a space."""

import json
from collections.abc import Sequence

import pytest

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, parse_all
from nas.space import uniform
from nas.space.analytic import metrics
from nas.space.describe import describe, ranges, show_space
from nas.space.space import Space
from nas.space.vector import Vector


def small(depth: Sequence[int] = (2, 3)) -> Vector:
    widths = {"low": 8, "high": 16, "step": 8}
    stage = {
        "depth": list(depth),
        "width": widths,
        "body": ["c3", "sep5d2se4"],
        "down": ["c3"],
        "residual": [False, True],
    }
    return Vector(
        Space.model_validate(
            {
                "forms": ["strided", "dilated"], "activations": ["relu"], "heads": ["fc", "gap"],
                "stage_dilations": [2, 2], "last_width": widths, "stages": [stage, stage],
            }
        )
    )  # fmt: skip


def test_ranges_are_those_of_every_network() -> None:
    vector = small()
    networks = [metrics(vector.space.decode(vector.space.choices(r))) for r in uniform.enumerate_all(vector)]
    for name, (low, high) in ranges(vector).items():
        values = [getattr(m, name) for m in networks]
        assert (low, high) == (min(values), max(values)), name


def test_counts_are_told_by_constraint() -> None:
    vector = small()
    constraints = parse_all(["params < 4k", "receptive_field > 20"])
    broken = ~vector.verdicts(uniform.enumerate_all(vector), constraints)
    found = describe(vector, constraints)
    assert found["exact"]
    assert found["size"] == len(broken)
    assert found["feasible"] == (~broken.any(1)).sum()
    assert [c["rejects"] for c in found["constraints"]] == broken.sum(0).tolist()
    assert [c["rejects_alone"] for c in found["constraints"]] == broken[broken.sum(1) == 1].sum(0).tolist()
    assert sum(b["networks"] for b in found["histogram"]) == found["feasible"]


def test_what_is_not_counted_is_estimated_and_said_to_be() -> None:
    vector = small()
    constraints = parse_all(["params < 4k", "macs < 2M", "receptive_field > 20"])
    share = vector.feasible(uniform.enumerate_all(vector), constraints).mean()
    found = describe(vector, constraints, draws=20_000)
    if not found["exact"]:
        assert abs(found["share"] - share) < 5 * max(found["share_error"], 1e-3)


def test_the_document_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_space("tiny", [], None, "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [c["expr"] for c in document["constraints"]] == [c.expr for c in parse_all(ASSIGNMENT)]
    assert document["share"] == document["feasible"] / document["size"]
    assert show_space("tiny", ["params < 100"], None, "table") == 1
    assert "params < 100" in capsys.readouterr().out


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UnusableInputError, match="unknown format: 'xml': use table, json"):
        show_space("tiny", [], None, "xml")
