"""One run of ``validate``: everything that can be found wrong without running the model is found first."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from constraints import rules
from constraints.cli.validate import Options, validate_targets
from constraints.errors import UnusableInputError
from constraints.rules import Constraint, parse
from constraints.sandbox.child import check_target
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Job
from tests.engines import one_sandbox, validate_in_this_process

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
    return Options(targets=[f"{target}:make"], **{**given, **changes})


def test_the_report_goes_to_stdout_and_what_the_code_prints_to_stderr(
    net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require = ["params == 70", "layers >= 2"]  # 7 kernels of 9 weights and a bias
    assert validate_targets(request(net, require=require, format="json", classes=7)) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["ok"] is True
    assert document["location"] == {"file": str(net), "line": 9}
    assert [c["expr"] for c in document["constraints"]] == [*require, "classes == 7"]
    assert "made with 7" in err


def test_a_broken_constraint_is_exit_code_1(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate_targets(request(net, require=["params < 70"], format="markdown")) == 1
    assert "70 is at the limit 70, must be &lt; 70" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "xml"}, "unknown format: 'xml': use table, json, jsonl, markdown, junit, sarif, html"),
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
        validate_targets(request(net, **changes))
    assert "\n" not in str(error.value)
    assert not (net.parent / "ran").exists()


def test_a_syntax_error_is_named_before_the_code_runs(net: Path) -> None:
    net.write_text(NET + "\ndef broken(:\n")
    with pytest.raises(UnusableInputError, match=r"syntax error: .*net\.py:13: "):
        validate_targets(request(net))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, made the current one, with two models, a file that needs an argument, and two without a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.modules", dict(sys.modules))
    validate_in_this_process(monkeypatch)
    net = "import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self{}):\n        super().__init__()\n"
    net += "        self.c = nn.Conv2d(1, {}, 1)\n    def forward(self, x):\n        return self.c(x)\n"
    (tmp_path / "models").mkdir()
    for name, code in {
        "small_net.py": net.format("", 3),
        "large_net.py": net.format("", 9),
        "open_net.py": net.format(", width", "width"),
        "words.py": "def f():\n    pass\n",
        "table.py": "rows = dict(a=1)\n",
    }.items():
        (tmp_path / "models" / name).write_text(code)
    return tmp_path


def several(*targets: str, **changes: Any) -> Options:
    return Options(
        targets=list(targets), **{"arguments": [], "require": ["params < 10"], "inputs": ["1,4,4"], **changes}
    )


@pytest.mark.usefixtures("here")
def test_of_several_targets_each_has_its_report_and_the_worst_is_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert validate_targets(several("models", format="jsonl")) == 2
    out, err = capsys.readouterr()
    found = {line["target"]: line for line in map(json.loads, out.splitlines())}
    assert [line["ok"] for line in found.values()] == [False, False, True]  # 9 and 3 weights, as many biases
    assert found["models/small_net.py:Net"]["metrics"]["params"] == 6
    assert found["models/open_net.py"]["exit_code"] == 2
    assert found["models/open_net.py"]["error"].startswith("'Net' needs arguments: width")
    assert "error: models/open_net.py: 'Net' needs arguments" in err
    assert "skipped: no model in models/table.py" in err
    assert err.splitlines()[-1] == "skipped 2 files without a model: models/table.py, models/words.py"
    assert validate_targets(several("models/[stw]*.py")) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "1 of 1 targets keep every constraint",
        "skipped 2 files without a model: models/table.py, models/words.py",
    ]
    assert validate_targets(several("models/small_net.py", "models/large_net.py:Net")) == 1
    assert "1 of 2 targets keep every constraint" in capsys.readouterr().out
    assert validate_targets(several("models/s*.py")) == 0


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("form", ["json", "markdown", "junit", "sarif", "html"])
def test_each_format_holds_reports_and_errors(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate_targets(several("models/l*.py", "models/open_net.py", format=form)) == 2
    out = capsys.readouterr().out
    assert "models/large_net.py" in out
    assert "needs arguments: width" in out
    if form in {"json", "sarif"}:
        json.loads(out)
    if form == "junit":
        counts = {"tests": "2", "failures": "1", "errors": "1", "skipped": "0"}
        assert ElementTree.fromstring(out).attrib == counts


def test_constraints_of_the_project_are_those_of_the_nearest_table(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = '[tool.nas]\nspace = "tiny"\nrequire = ["params < 7"]\n[tool.nas.profiles.wide]\nparams = "< 99"\n'
    (here / "pyproject.toml").write_text(table)
    (here / "models" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    project = several("models/small_net.py", "models/large_net.py", require=[], format="jsonl")
    assert validate_targets(project) == 1
    found = [json.loads(line)["constraints"] for line in capsys.readouterr().out.splitlines()]
    assert [[(c["expr"], c["ok"]) for c in f] for f in found] == [[("params < 7", True)], [("params < 7", False)]]
    assert validate_targets(replace(project, profile="wide")) == 0
    assert validate_targets(replace(project, require=["params > 1"])) == 0  # a flag wins
    (here / "pyproject.toml").write_text('[tool.nas]\nspace = "tiny"\n')
    assert validate_targets(replace(project, format="markdown")) == 1
    assert "receptive_field > 44" in capsys.readouterr().out
    (here / "pyproject.toml").write_text("[tool.nas\n")
    with pytest.raises(UnusableInputError, match=r"not TOML: .*pyproject"):
        validate_targets(several("models/small_net.py", require=[]))


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
    assert validate_targets(request(net, require=require)) == 1
    assert parsed == Counter(dict.fromkeys(require, 2))
    assert "the receptive field passes 1 in layer 0" in capsys.readouterr().out  # which the table asks a verdict for
