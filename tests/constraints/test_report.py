"""A report of a check: its verdict, and the way to JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from constraints.metrics import Layer, Metrics
from constraints.report import Report
from constraints.rules import Verdict

KEPT = Verdict(name="params", expr="params < 10", value=9, ok=True, why="9 is 1 below 10", layers=("a", "b"))
BROKEN = Verdict(name="mine", expr="mine > 2.5", value=Decimal("2.5"), ok=False, why="at", fix=("more", "less"))
LAYER = Layer(
    name="a", op="conv2d", output=(4, 8, 8), params=9, receptive_field=(3, 5), jump=(1.0, 0.5), offset=(-1, None),
    kernel=(3, 3), stride=(1, 1), dilation=(1, 2),
)  # fmt: skip
REPORT = Report(
    target="net.py:Net", input=(3, 8, 8), output=(10,), metrics={**dict.fromkeys(Metrics.definitions()), "params": 9, "trainable_params": 9},
    constraints=(KEPT,), layers=(LAYER,), warnings=("unused: b",), location=("net.py", 4),
)  # fmt: skip


def test_it_is_ok_where_every_constraint_holds() -> None:
    assert replace(REPORT, constraints=()).ok
    assert REPORT.ok
    both = REPORT.with_verdicts(BROKEN)
    assert not both.ok
    assert both.constraints == (KEPT, BROKEN)
    assert REPORT.constraints == (KEPT,)


def test_the_document_holds_every_part_in_plain_values() -> None:
    document = json.loads(REPORT.with_verdicts(BROKEN).to_json())
    assert document["ok"] is False
    assert document["location"] == {"file": "net.py", "line": 4}
    assert document["verified"] is None
    assert (document["input"], document["output"], document["warnings"]) == ([3, 8, 8], [10], ["unused: b"])
    assert document["constraints"][1] == {
        "name": "mine", "expr": "mine > 2.5", "value": 2.5, "ok": False, "why": "at", "fix": ["more", "less"],
        "layers": [],
    }  # fmt: skip
    assert document["layers"][0]["offset"] == [-1, None]
    assert document["layers"][0]["jump"] == [1.0, 0.5]


@pytest.mark.parametrize("verified", [None, {"input": [[3, 8, 8]], "agrees": True, "text": "they agree"}])
@pytest.mark.parametrize("location", [None, ("net.py", 4)])
def test_a_document_reads_back(verified: dict[str, object] | None, location: tuple[str, int] | None) -> None:
    report = replace(REPORT, verified=verified, location=location)
    read = Report.from_dict(json.loads(report.to_json()))
    assert replace(read, metrics=dict(read.metrics)) == report
    assert read.ok == report.ok
    with pytest.raises(TypeError):
        read.metrics["params"] = 3  # type: ignore[index]  # that is the test


def test_no_number_that_json_has_no_word_for_is_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(REPORT, metrics={"mine": float("nan")}).to_json()


def test_pytest_is_shown_the_whole_of_it() -> None:
    assert str(REPORT) == repr(REPORT)
    assert "params < 10" in str(REPORT)
    assert len(repr(REPORT)) == 0  # by which pytest decides whether to cut
