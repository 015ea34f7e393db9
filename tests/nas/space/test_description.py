"""The description of a space: its size, its ranges, its feasible share."""

from collections.abc import Sequence

import numpy as np
import pytest

from constraints.rules import parse_all
from nas.space import uniform_draws
from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector
from nas.space.counting import exact_count
from nas.space.description import OwnMetrics, describe
from nas.space.space import Space


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


def test_counts_are_printed_by_constraint() -> None:
    vector = small()
    constraints = parse_all(["params < 4k", "receptive_field > 20"])
    broken = ~vector.verdicts(uniform_draws.enumerate_all(vector), constraints)
    found = describe(vector, constraints)
    assert found["exact"]
    assert found["size"] == len(broken)
    assert found["feasible"] == (~broken.any(1)).sum()
    assert [c["rejects"] for c in found["constraints"]] == broken.sum(0).tolist()
    assert [c["rejects_alone"] for c in found["constraints"]] == broken[broken.sum(1) == 1].sum(0).tolist()
    assert sum(b["networks"] for b in found["histogram"]) == found["feasible"]


def test_the_histogram_is_of_params_whatever_the_constraints() -> None:
    vector = small()
    for expressions in (["receptive_field > 20"], ["params > 2k"], ["macs < 2M", "params < 3k"]):
        constraints = parse_all(expressions)
        rows = uniform_draws.enumerate_all(vector)
        params = vector.metric(rows[vector.feasible(rows, constraints)], "params")
        found = describe(vector, constraints)
        ends = [b["below"] for b in found["histogram"]]
        wanted = np.histogram(params, [0, *(e if e is not None else 10**9 for e in ends)])[0]
        got = np.array([b["networks"] for b in found["histogram"]])
        assert found["histogram_of"] == "params"
        if found["histogram_exact"]:
            assert got.tolist() == wanted.tolist()
        else:
            assert abs(got - wanted).max() < 0.02 * len(rows)


def test_the_histogram_ends_where_the_networks_do() -> None:
    vector = small()
    params = vector.metric(uniform_draws.enumerate_all(vector), "params")
    for expressions in (["params < 200k"], ["params < 200k", "macs < 100M"], ["params > 2k"]):
        found = describe(vector, parse_all(expressions))["histogram"]
        assert found[0]["networks"] > 0
        assert found[-1]["networks"] > 0
        assert found[-1]["below"] == params.max() + 1
        assert len(found) >= 10


def test_what_is_not_counted_is_estimated_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = small()
    constraints = parse_all(["params < 4k", "macs < 2M", "receptive_field > 20"])
    counted = describe(vector, constraints)
    monkeypatch.setattr(exact_count, "MOST_MOVED", 0)
    found = describe(vector, constraints, draws=20_000)
    assert (counted["exact"], found["exact"], found["draws"]) == (True, False, 20_000)
    assert found["share"] != counted["share"]
    assert abs(found["share"] - counted["share"]) < 5 * found["share_error"]
    assert found["size"] == counted["size"]
    for ours, exact in zip(found["constraints"], counted["constraints"], strict=True):
        assert not ours["rejects_exact"]
        assert abs(ours["rejects"] - exact["rejects"]) < 0.03 * found["size"]


def test_a_metric_of_a_users_own_is_estimated() -> None:
    vector = small()
    own = OwnMetrics(names=("layers",), measure=lambda several: [{"layers": sum(map(len, a.stages))} for a in several])
    constraints = parse_all(["layers < 7", "params < 4k"], own.names)
    rows = uniform_draws.enumerate_all(vector)
    networks = [vector.space.decode(vector.choices(row)) for row in rows]
    wanted = [(sum(map(len, n.stages)) >= 7, metrics(n).params >= 4_000) for n in networks]
    found = describe(vector, constraints, own=own)
    assert (found["exact"], found["draws"]) == (False, 500)
    assert abs(found["share"] - sum(w == (False, False) for w in wanted) / len(wanted)) < 5 * found["share_error"]
    layers, params = found["constraints"]
    assert not layers["rejects_exact"]
    assert abs(layers["rejects"] - sum(w[0] for w in wanted)) < 0.1 * len(wanted)
    assert params["rejects"] == sum(w[1] for w in wanted)
    assert params["rejects_exact"]
