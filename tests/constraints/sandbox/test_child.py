"""The child's side of the sandbox: what it loads, calls and answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from constraints.cli.target import parse_target
from constraints.errors import ModelFailedError, NoModelError, UnusableInputError
from constraints.inputs import InputSpec
from constraints.rules import parse_all
from constraints.sandbox.child import answer
from constraints.sandbox.request import Request
from tests.constraints.sandbox.test_source import notebook

NET = """
import torch.nn as nn
class Net(nn.Module):
    def __init__(self, width, *, deep=False):
        super().__init__()
        self.c = nn.Conv2d(1, width, 1 + 2 * deep)
    def forward(self, x):
        return self.c(x)
class Taps:
    pass
def keywords(**options):
    return Net(**options)
def first_only(width, /):
    return Net(width)
def number():
    return 3
made = Net(2)
_hidden = made
"""


def request(target: str, *, augmentation: str | None = None, **changes: Any) -> Request:
    """A check of a model for images of one channel and 8x8 pixels."""
    given: dict[str, Any] = {"inputs": (InputSpec(shape=(1, 8, 8)),), "require": ["params == 4"], "fixes_seconds": 0}
    changes["require"] = parse_all(changes.get("require", given["require"]), None)
    pipeline = parse_target(augmentation) if augmentation else None
    return Request(target=parse_target(target), augmentation=pipeline, mean=(0.5, 0.5, 0.5), **{**given, **changes})


@pytest.fixture
def sent() -> list[Mapping[str, Any]]:
    return []


@pytest.fixture
def run(tmp_path: Path, sent: list[Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Check a name of a file in this process."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def check(name: str, code: str = NET, **changes: Any) -> Any:
        file = tmp_path / f"net_{len(list(tmp_path.iterdir()))}.py"
        file.write_text(code)
        monkeypatch.delitem(sys.modules, file.stem, raising=False)
        return answer(request(f"{file}:{name}", **changes), sent.append)

    return check


def test_a_class_a_function_and_a_module_are_models(run: Any, sent: list[Mapping[str, Any]]) -> None:
    # A 1x1 convolution to `width` channels: as many weights and biases.
    assert run("made").metrics["params"] == 2 + 2
    assert [s["stage"] for s in sent if "stage" in s] == ["import", "forward", "the search for fixes"]
    sent.clear()
    assert run("Net", arguments={"width": 3, "deep": True}).metrics["params"] == 3 * 9 + 3
    assert [s["stage"] for s in sent if "stage" in s] == ["import", "construction", "forward", "the search for fixes"]
    report = run("keywords", arguments={"width": 5})
    assert report.metrics["params"] == 5 + 5
    assert report.location is not None
    assert report.location[1] == NET[: NET.index("def keywords")].count("\n") + 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Net", {}, "'Net' needs arguments: width: give --arg width=..."),
        ("Net", {"width": 2, "depth": 3}, "'Net' takes no argument 'depth': --arg depth: it takes width, deep"),
        ("first_only", {}, "'first_only' needs arguments: width"),
        ("number", {"x": 1}, "'number' takes no argument 'x': --arg x: it takes none"),
        ("made", {"width": 2}, ":made' is a finished module: --arg width: leave it out"),
        ("Taps", {}, r"not an nn\.Module: 'Taps' is the class Taps: name a module, a subclass, or a function"),
        ("number", {}, r"not an nn\.Module: 'number\(\)' is int"),
        ("REQUEST", {}, r"no such name in .*: 'REQUEST': "),
        ("Nett", {}, r"no such name in .*: 'Nett': did you mean Net"),
        ("zzzzzz", {}, r"no such name in .*: 'zzzzzz': did you mean Net, made\?"),
        ("made.gone", {}, r"no such name in .*: 'made\.gone'"),
    ],
)
def test_what_the_caller_got_wrong_is_named(run: Any, name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableInputError, match=message) as error:
        run(name, arguments=arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("code", "name", "message"),
    [
        ("1 / 0", "x", r"the model's code raised at import: ZeroDivisionError: division by zero \(.*\.py:1\)"),
        ("raise SystemExit(3)", "x", r"ended the process at import: SystemExit\(3\): take the exit out"),
        ("def f():\n    raise MemoryError", "f", "outgrew its memory at construction: MemoryError: raise --memory"),
        ("def f():\n    raise OSError('Cannot allocate memory')", "f", "outgrew its memory at construction: OSError"),
        ("def f():\n    raise ValueError('a\\nb')", "f", r"raised at construction: ValueError: a \(.*\.py:2\)"),
        (NET + "Net.forward = lambda self, x: x.gone", "made", "raised at forward: AttributeError: .*'gone'"),
    ],
)
def test_what_the_code_raises_is_reported_with_stage_and_place(run: Any, code: str, name: str, message: str) -> None:
    with pytest.raises(ModelFailedError, match=message) as error:
        run(name, code)
    assert "\n" not in str(error.value)
    assert "Traceback" in error.value.traceback


def test_a_metric_of_the_file_can_be_required(run: Any) -> None:
    code = NET + "from constraints import metric\n@metric\ndef twice(model, trace): return 2 * trace.metrics.params\n"
    report = run("made", code, require=("twice == 8", "twice < 8"))
    assert [v.ok for v in report.constraints] == [True, False]
    with pytest.raises(UnusableInputError, match="unknown metric: 'twise': did you mean twice"):
        run("made", code, require=("twise == 8",))


def test_an_augmentation_has_to_be_a_pipeline(run: Any, tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.py"
    code = "from functools import partial\nimport albumentations as A\nempty = A.Compose([])\nwrong = 3\n"
    pipeline.write_text(f"{code}def make(n=1): return A.Compose([])\nbound = partial(make, n=2)\n")
    for name in ("empty", "make", "bound"):
        verdict = run("made", augmentation=f"{pipeline}:{name}").constraints[-1]
        assert not verdict.ok
    with pytest.raises(UnusableInputError, match="not an albumentations pipeline: 'wrong' is int: name a Compose"):
        run("made", augmentation=f"{pipeline}:wrong")


def test_modules_are_imported_by_name_and_what_they_lack_is_distinguished(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[Mapping[str, Any]]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fine_module.py").write_text(NET)
    (tmp_path / "lacking_module.py").write_text("import nowhere_x\n")
    (tmp_path / "broken_module.py").write_text("x = (\n")
    assert answer(request("fine_module:made"), sent.append).ok
    for target, error, message in (
        ("no_such_module:x", UnusableInputError, "no such module: 'no_such_module'"),
        ("fine_module.inner:x", UnusableInputError, "no such module: 'fine_module.inner'"),
        (
            "lacking_module:x",
            UnusableInputError,
            r"no such name .*nowhere_x is neither in .* nor installed: put nowhere_x\.py into .* run uv",
        ),
        ("broken_module:x", UnusableInputError, r"syntax error: .*broken_module\.py:1"),
    ):
        with pytest.raises(error, match=message):
            answer(request(target), sent.append)


def test_each_line_of_the_answer_is_a_stage_or_the_outcome(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET + "print('not on the pipe')\n")
    read, write = os.pipe()
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; from constraints.sandbox.child import main; main({write}, sys.stdin.buffer.readline())",
        ],
        input=request(f"{tmp_path}/net.py:made").job().to_line(os.environ).decode(),
        pass_fds=[write],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(write)
    with os.fdopen(read) as answer:
        lines = [json.loads(line) for line in answer]
    assert child.returncode == 0, child.stderr
    assert child.stdout == "not on the pipe\n"
    stages = [line.get("stage", "") for line in lines]
    assert stages == ["import", "forward", "", "the search for fixes", ""]
    assert lines[-1]["answer"] == {**lines[2]["partial"], "follow_ups": {}}
    assert lines[-1]["answer"]["report"]["ok"] is True


def test_what_the_code_could_not_import_is_said_where_it_uses_none_in_its_place(run: Any) -> None:
    code = "try:\n    from gone_x import Block\nexcept ImportError:\n    Block = None\n" + NET
    broken = code.replace("nn.Conv2d(1, width, 1 + 2 * deep)", "Block(1, width)")
    with pytest.raises(ModelFailedError, match=r"'NoneType' object is not callable .*\(gone_x is neither in "):
        run("Net", broken, arguments={"width": 3})
    with pytest.raises(ModelFailedError, match=r"expected input\[1, 1, 8, 8\] to have 3 channels") as error:
        run("Net", code.replace("Conv2d(1,", "Conv2d(3,"), arguments={"width": 3})
    assert "gone_x" not in str(error.value)


def test_a_table_is_read_by_items_and_attributes(run: Any) -> None:
    code = NET.replace("self, width, *, deep=False", "self, args").replace(
        "width, 1 + 2 * deep", "args.c.width, args['k']"
    )
    # A 3x3 convolution from 1 to 5 channels: 5 * 9 weights and 5 biases.
    report = run(
        "Net", code.replace("made = Net(2)\n_hidden = made", ""), arguments={"args": {"c": {"width": 5}, "k": 3}}
    )
    assert report.metrics["params"] == 5 * 9 + 5
    with pytest.raises(UnusableInputError, match=r"give --arg 'args=\{c=\{width=\.\.\.\}, k=\.\.\.\}'$"):
        run("Net", code)


def test_a_name_whose_statement_failed_is_to_be_given_a_value_in_the_file(run: Any) -> None:
    code = "count = len(open('/nowhere/labels.csv').readlines())\n" + NET
    code += "class Counted(Net):\n    def __init__(self):\n        super().__init__(count)\n"
    with pytest.raises(ModelFailedError, match=r"\(give count a value in the file itself, since what makes it failed;"):
        run("Counted", code)


def test_each_of_two_such_names_of_an_error_is_named(run: Any) -> None:
    code = "count = open('/nowhere/a')\nsize = open('/nowhere/b')\n" + NET
    code += "class Counted(Net):\n    def __init__(self):\n        try:\n            super().__init__(count)\n"
    code += (
        "        except NameError as error:\n            raise NameError(f\"{error}; name 'size' is not defined\")\n"
    )
    with pytest.raises(ModelFailedError, match=r"give count a value .*; give size a value in the file itself"):
        run("Counted", code)


def test_a_cell_that_is_not_python_is_named_where_no_other_has_a_model(tmp_path: Path) -> None:
    file = tmp_path / "net.ipynb"
    file.write_text(
        notebook("import torch.nn as nn", "class Net(nn.Module):\n    def forward(self, x:\n        return x")
    )
    with pytest.raises(NoModelError, match=r"no model in .*, cell 2: .* not Python: line 2: .*: correct what defines"):
        answer(request(str(file)), lambda _: None)


def test_a_function_that_the_file_imports_is_offered_as_its_model(run: Any, tmp_path: Path) -> None:
    (tmp_path / "nets_gg.py").write_text(f"{NET}\ndef get_model(name='a'):\n    return {{'a': Net}}[name](2)\n")
    file = tmp_path / "main_gg.py"
    file.write_text("from nets_gg import get_model, number\nif __name__ == '__main__':\n    get_model()\n")
    with pytest.raises(NoModelError, match=r"name a function that returns one: .*\.py:get_model$"):
        answer(request(str(file)), lambda _: None)
    assert run("get_model", "from nets_gg import get_model\n").metrics["params"] == 4


def test_a_follow_up_is_found_where_the_users_folder_has_a_module_of_its_packages_name(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "nas.py").write_text("raise RuntimeError('not this one')\n")
    code = "import json, sys\nfrom constraints.sandbox.child import check_target\n"
    code += "from constraints.sandbox.request import Job\n"
    code += "found = check_target(Job.begin(sys.stdin.buffer.readline()).arguments, lambda line: None)\n"
    wanted = request(f"{tmp_path}/net.py:made", follow_ups=("nas.start_child:written",))
    child = subprocess.run(
        [sys.executable, "-P", "-c", code + "print(json.dumps(found['follow_ups']))"],
        input=wanted.job().to_line(os.environ).decode(), capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    assert "nas.start_child:written" in child.stdout
    assert "not this one" not in child.stdout
