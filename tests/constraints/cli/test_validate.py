"""One run of ``validate``: everything that can be found wrong without running the model is found first."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from constraints import rules
from constraints.cli.validate import Options, validate_target
from constraints.errors import UnusableInputError
from constraints.rules import Constraint, parse
from constraints.sandbox.child import check_target
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Job
from tests.engines import one_sandbox

NET = """import torch.nn as nn
from constraints import metric

@metric
def layers(model, trace):
    "Layers that ran."
    return len(trace.layers)

def make(width):
    print("made with", width)
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture(autouse=True, scope="module")
def sandbox() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, one_sandbox(patch):
        yield


@pytest.fixture
def net(tmp_path: Path) -> Path:
    file = tmp_path / "net.py"
    file.write_text(NET)
    return file


def request(target: object, **changes: Any) -> Options:
    given: dict[str, Any] = {"arguments": ["width=7"], "require": ["params == 70"], "inputs": ["1,8,8"]}
    return Options(target=f"{target}:make", **{**given, **changes})


def test_the_report_goes_to_stdout_and_what_the_code_prints_to_stderr(
    net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require = ["params == 70", "layers >= 2"]  # 7 kernels of 9 weights and a bias
    assert validate_target(request(net, require=require, format="json", classes=7)) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["ok"] is True
    assert document["location"] == {"file": str(net), "line": 9}
    assert [c["expr"] for c in document["constraints"]] == [*require, "classes == 7"]
    assert "made with 7" in err


def test_a_broken_constraint_is_exit_code_1(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate_target(request(net, require=["params < 70"], format="markdown")) == 1
    assert "70 is at the limit 70, must be &lt; 70" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "xml"}, "unknown format: 'xml': use table, json, markdown, junit, sarif"),
        ({"require": ["depth < 3"]}, "unknown metric: 'depth'"),
        ({"timeout": "0s"}, "not a duration: '0s'"),
        ({"memory": "much"}, "not a size: 'much'"),
        ({"inputs": ["3,0"]}, "not an input shape: '3,0'"),
        ({"mean": "1,2"}, "not 3 numbers: '1,2'"),
        ({"arguments": ["width"]}, "not key=value: 'width'"),
        ({"augmentation": "pipeline"}, "no NAME in target: 'pipeline'"),
        ({"augmentation": "gone.py:make"}, r"cannot read the file: 'gone\.py'"),
        ({"constraints": Path("gone.toml")}, r"gone\.toml"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_before_the_code_runs(
    changes: dict[str, Any], message: str, net: Path
) -> None:
    net.write_text(NET + "\nopen('ran', 'w').close()\n")
    with pytest.raises(UnusableInputError, match=message) as error:
        validate_target(request(net, **changes))
    assert "\n" not in str(error.value)
    assert not (net.parent / "ran").exists()


def test_a_syntax_error_is_named_before_the_code_runs(net: Path) -> None:
    net.write_text(NET + "\ndef broken(:\n")
    with pytest.raises(UnusableInputError, match=r"syntax error: .*net\.py:13: "):
        validate_target(request(net))


def test_both_sides_parse_an_expression_once(
    net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parsed: Counter[str] = Counter()

    def counted(expression: str, *known: Any) -> Constraint:
        parsed[expression] += 1
        return parse(expression, *known)

    def in_this_process(_: Sandbox, job: Job) -> tuple[Any, str]:
        return check_target(Job.begin(job.to_line(os.environ)).arguments, lambda line: None), ""

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(rules, "parse", counted)
    monkeypatch.setattr(Sandbox, "run", in_this_process)
    require = ["params == 70", "receptive_field > 1", "layers > 9"]
    assert validate_target(request(net, require=require)) == 1
    assert parsed == Counter(dict.fromkeys(require, 2))
    assert "the receptive field passes 1 in layer 0" in capsys.readouterr().out  # which the table asks a verdict for
