"""What the child of the sandbox answers, in this process: harmless files need no child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from constraints.cli.target import parse_target
from constraints.errors import ConstraintError
from constraints.sandbox.child import answer
from constraints.sandbox.request import Request

MODELS = """
import torch.nn as nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.c = nn.Conv2d(3, width, 3)
    def forward(self, x):
        return self.c(x).mean((2, 3))

class Needs(nn.Module):
    def __init__(self, width, *, depth):
        super().__init__()

class Raises(Net):
    def forward(self, x):
        raise ValueError("wrong\\nin two lines")

built = Net()
number = 3

def make(width: int = 4, name: str = "x"):
    return Net(width + len(name))

def wrong():
    return [1]
"""


def request(target: str, arguments: Mapping[str, Any]) -> Request:
    return Request(target=parse_target(target), arguments=arguments, require=("params > 1",), fixes=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)  # undone with what a check puts there
    file = tmp_path / "models_of_a_test.py"
    file.write_text(MODELS)
    return file


@pytest.mark.parametrize(
    ("name", "arguments", "code", "message"),
    [
        ("Nett", {}, 2, "no such name in {file}: 'Nett': did you mean Net?"),
        ("Needs", {}, 2, "'Needs' needs arguments: width, depth: give --arg width=... --arg depth=..."),
        ("make", {"size": 3}, 2, "'make' takes no argument 'size': --arg size: it takes width, name"),
        ("built", {"width": 3}, 2, "'built' is a finished module: --arg width: leave it out"),
        ("number", {}, 2, "not an nn.Module: 'number' is int"),
        ("wrong", {}, 2, "not an nn.Module: 'wrong()' is list"),
        ("Raises", {}, 3, "the model's code raised at forward: ValueError: wrong ({file}:17)"),
    ],
)
def test_one_line_for_each_error_of_the_model(
    file: Path, name: str, arguments: dict[str, Any], code: int, message: str
) -> None:
    with pytest.raises(ConstraintError) as caught:
        answer(request(f"{file}:{name}", arguments), lambda stage: None)
    assert str(caught.value).startswith(message.format(file=file))
    assert caught.value.exit_code == code


def test_a_good_model_is_reported_stage_by_stage(file: Path) -> None:
    stages: list[Mapping[str, Any]] = []
    report = answer(request(f"{file}:make", {"name": "ab"}), stages.append)
    assert report.metrics["params"] == 27 * 6 + 6
    assert [line["stage"] for line in stages] == ["import", "construction", "forward"]
