"""The report as a value: its verdict, its documents, and that what is written reads back."""

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constraints.metrics import Layer
from constraints.report import Report
from constraints.verdicts import Verdict


def verdict(*, ok: bool, name: str = "params", fix: tuple[str, ...] = ()) -> Verdict:
    return Verdict(name=name, expr=f"{name} < 4", value=3, ok=ok, why="3 is 1 below 4", fix=fix, layers=("a", "b"))


def report(*verdicts: Verdict, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "target": "net.py:Net", "input": (3, 4, 5), "output": (10,),
        "metrics": MappingProxyType({"params": 3, "convs_per_stage": [3, 4], "macs": None}),
        "constraints": verdicts, "layers": (Layer(name="a", op="conv2d", output=(1, 4, 5), kernel=(3, 3)),),
    }  # fmt: skip
    return Report(**values | changes)


@pytest.mark.parametrize(
    ("held", "ok"), [((), True), ((True,), True), ((True, False), False), ((False, True), False), ((True, True), True)]
)
def test_a_report_is_ok_where_every_verdict_is(held: tuple[bool, ...], ok: bool) -> None:
    assert report(*(verdict(ok=one) for one in held)).ok is ok


def test_further_verdicts_come_last_and_leave_the_report_as_it_was() -> None:
    before = report(verdict(ok=True))
    after = before.with_verdicts(verdict(ok=False, name="macs"), verdict(ok=True, name="convs"))
    assert [v.name for v in after.constraints] == ["params", "macs", "convs"]
    assert len(before.constraints) == 1
    assert before.ok
    assert not after.ok


def test_the_document_holds_lists_and_every_key() -> None:
    document = report(verdict(ok=False, fix=("x",)), location=("net.py", 7), warnings=("w",)).to_dict()
    assert list(document) == [
        "target", "input", "inputs", "output", "ok", "metrics", "constraints", "layers", "stage_ends", "stage_spans",
        "fix_all", "warnings", "verified", "location", "failed",
    ]  # fmt: skip
    assert (document["input"], document["output"], document["ok"]) == ([3, 4, 5], [10], False)
    assert document["constraints"][0]["fix"] == ["x"]
    assert document["layers"][0]["kernel"] == [3, 3]
    assert document["location"] == {"file": "net.py", "line": 7}
    assert (document["verified"], report().to_dict()["location"]) == (None, None)


TEXTS = st.text(max_size=5)


@settings(max_examples=30)
@given(
    st.lists(st.builds(verdict, ok=st.booleans(), name=TEXTS, fix=st.lists(TEXTS, max_size=2).map(tuple)), max_size=3),
    st.none() | st.tuples(TEXTS, st.integers(1, 9)),
    st.lists(TEXTS, max_size=2).map(tuple),
    st.none() | st.dictionaries(TEXTS, st.booleans(), max_size=2),
)
def test_what_is_written_reads_back(
    verdicts: list[Verdict], location: tuple[str, int] | None, warnings: tuple[str, ...], verified: Any
) -> None:
    before = report(*verdicts, location=location, warnings=warnings, verified=verified)
    assert Report.from_dict(json.loads(before.to_json())) == before


def test_a_metric_that_is_no_number_is_refused_in_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        report(metrics=MappingProxyType({"own": float("nan")})).to_json()


def test_pytest_shows_the_whole_report() -> None:
    metrics = {"params": 3, "trainable_params": 3, "macs": 4, "receptive_field_hw": [3, 3], "peak_activation_bytes": 5}
    shown = report(*(verdict(ok=False) for _ in range(9)), metrics=MappingProxyType(metrics))
    assert len(str(shown)) > 240
    assert len(repr(shown)) == 0  # pytest cuts by this length
    assert repr(shown).splitlines() == str(shown).splitlines()
