"""The benchmark of other people's files: one row for each model, and totals that equal the sums of the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import field
from constraints.cli.target import parse_target

REPORTS = {
    "good.py": {"constraints": [{"expr": "a > 1", "ok": True, "fix": []}], "fix_all": None},
    "two.py": {"error": "several models in two.py: A, B: name one: two.py:A", "exit_code": 2},
    "two.py:A": {
        "constraints": [
            {"expr": "a > 1", "ok": False, "fix": ["x makes a 2", "y makes a 3"]},
            {"expr": "b > 1", "ok": False, "fix": ["untried: more"]},
        ],
        "fix_all": {"text": "x and z makes every constraint hold", "edits": ["x", "z"]},
    },
    "two.py:B": {"error": "no such file", "exit_code": 2},
}


def test_a_row_for_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    example = iter([2.0, 1.25, 1.5])

    def took(command: Sequence[str]) -> field.Took:
        if any(part.endswith("handmade.py") for part in command):
            return field.Took(next(example), 1.0, "")
        found = next((REPORTS[part] for part in command if part in REPORTS), None)
        return field.Took(3.0, 2.0, json.dumps(found)) if found else field.Took(1.0, 0.5, "")

    monkeypatch.setattr(field, "_took", took)
    document = field.measure(["good.py", "two.py"], 3)
    rows = document["files"]
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "good.py": "holds", "two.py:A": "fails", "two.py:B": "refused"
    }  # fmt: skip
    assert (rows["two.py:A"]["fixes"], rows["two.py:A"]["without_fix"]) == (2, ["b > 1"])
    assert (rows["good.py"]["seconds_over_torch"], document["most_processor_seconds_over_torch"]) == (2.0, 1.5)
    assert document["twelve_layers_seconds_over_torch"] == 0.25  # the least of each
    assert [document[key] for key in ("with_verdict", "failing", "fixed_at_once")] == [2, 1, 1]


def test_files_that_cannot_be_read_have_a_row_and_those_without_a_model_none(tmp_path: Path) -> None:
    texts = {"two.py": "print 3", "net.py": "import torch", "plain.py": "x = 3"}
    texts["r.ipynb"] = '{"cells": [], "metadata": {"language_info": {"name": "R"}}}'
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    kept = [name for name in texts if field._is_for_validate(parse_target(str(tmp_path / name)))]
    assert kept == ["two.py", "net.py"]
