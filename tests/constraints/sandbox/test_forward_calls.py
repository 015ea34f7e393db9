"""The calls of a forward pass that edits change: which they are, what is written, and why one can not be changed."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from constraints.edits import Edit
from constraints.errors import UnusableInputError
from constraints.forward_edits import ForwardEdit
from constraints.sandbox.child import Checked
from constraints.sandbox.forward_calls import calls_in_forward
from constraints.source_edits import edited
from tests.constraints.sandbox.made import checked

POOLS = {"max_pool2d": "avg_pool2d"}
CONVS = {"conv2d": "conv2d"}
TWO = ("x = F.max_pool2d(x, 2)", "return F.max_pool2d(x, 2)")
LOOP = ("for _ in range(2):", "    x = F.conv2d(x, self.w, padding=1)", "return x")
CONV_TWICE = ("x = F.conv2d(x, self.w, None, 1, 1)", "return F.conv2d(x, self.w)")


def text(*forward: str, extra: str = "") -> str:
    body = "\n".join(f"        {line}" for line in forward)
    return f"""import torch
from torch import nn
from torch.nn import functional as F
pool = F.max_pool2d
PAD = 1
{extra}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3, 3, 3, 3))
        self.layer = nn.MaxPool2d(2)
    def forward(self, x):
{body}
net = Net()
"""


def edit(functions: Mapping[str, str], *numbers: int, of_layers: bool = True, **arguments: Any) -> Edit:
    """An edit of all calls of these functions, or of those with these numbers."""
    which = frozenset(numbers) if numbers else None
    new = ForwardEdit(functions=functions, numbers=which, arguments=arguments, of_layers=of_layers)
    return Edit(layer="", text=f"{arguments} in {{}}", size=1, make=new.around(), in_forward=new)


def tree(file: str) -> ast.Module:
    return ast.parse(Path(file).read_bytes())


def changed(found: Checked, folder: Path, *edits: Edit) -> list[str]:
    """The lines of the forward method, edited."""
    file = (folder / "net.py").resolve()
    calls = calls_in_forward(found, edits, str(file), tree)
    lines = edited(file.read_text("utf-8"), list(calls.values()), []).splitlines()
    start = next(i for i, line in enumerate(lines) if "def forward" in line)
    return [line[8:] for line in lines[start + 1 : -1]]


@pytest.mark.parametrize(
    ("forward", "edits", "lines"),
    [
        (TWO, [edit(POOLS)], ["x = F.avg_pool2d(x, 2)", "return F.avg_pool2d(x, 2)"]),
        (TWO, [edit(POOLS, 1)], ["x = F.max_pool2d(x, 2)", "return F.avg_pool2d(x, 2)"]),
        (TWO, [edit(POOLS, 0), edit(POOLS, 1)], ["x = F.avg_pool2d(x, 2)", "return F.avg_pool2d(x, 2)"]),
        (CONV_TWICE, [edit(CONVS, 0, padding=2), edit(CONVS, 0, dilation=2)],
         ["x = F.conv2d(x, self.w, None, 1, 2, dilation=2)", "return F.conv2d(x, self.w)"]),
        (CONV_TWICE, [edit(CONVS, 1, padding=PAD) for PAD in (1, 2)],
         ["x = F.conv2d(x, self.w, None, 1, 1)", "return F.conv2d(x, self.w, padding=2)"]),
        (LOOP, [edit(CONVS, 0, 1, stride=2)],
         [LOOP[0], "    x = F.conv2d(x, self.w, padding=1, stride=2)", "return x"]),
        (LOOP, [edit(CONVS, 1, stride=2), edit(CONVS, 0, stride=2)],
         [LOOP[0], "    x = F.conv2d(x, self.w, padding=1, stride=2)", "return x"]),
        (("x = self.layer(x)", "return F.max_pool2d(x, 2)"), [edit(POOLS, 0, of_layers=False)],
         ["x = self.layer(x)", "return F.avg_pool2d(x, 2)"]),
    ],
)  # fmt: skip
def test_the_calls_that_an_edit_counts_are_changed(
    tmp_path: Path, forward: tuple[str, ...], edits: list[Edit], lines: list[str]
) -> None:
    assert changed(checked(tmp_path, text(*forward)), tmp_path, *edits) == lines


def test_an_average_is_not_given_what_only_a_maximum_has(tmp_path: Path) -> None:
    found = checked(tmp_path, text("return F.max_pool2d(x, 2, stride=2, dilation=1)"))
    assert changed(found, tmp_path, edit(POOLS)) == ["return F.avg_pool2d(x, 2, stride=2)"]


@pytest.mark.parametrize(
    ("forward", "edits", "why"),
    [
        (LOOP, [edit(CONVS, 0, stride=2)], r"the call at net\.py:\d+ runs several times, and not all of them change: "),
        (LOOP, [edit(CONVS, 0, stride=2), edit(CONVS, 1, stride=3)], "runs several times, and not all of them change"),
        (TWO, [edit(POOLS), edit(POOLS, 0)], "^one call would change twice: "),
        (TWO, [edit(CONVS)], "^the call in the forward pass that would change was not seen$"),
        (TWO, [edit(POOLS, 2)], "^the call in the forward pass that would change was not seen$"),
        (("return pool(x, 2)",), [edit(POOLS)], r"^net\.py:\d+ calls pool, not max_pool2d$"),
        (("return F.conv2d(x, self.w, padding=PAD)",), [edit(CONVS, padding=2)],
         r"^padding is PAD, not a number: net\.py:\d+$"),
        (("return self.layer(x)",), [edit(POOLS)], "^max_pool2d is called by a layer whose class is not torch's own$"),
        (("return eval('F.max_pool2d(x, 2)')",), [edit(POOLS)], "calls eval, not max_pool2d"),
    ],
)  # fmt: skip
def test_why_a_call_can_not_be_changed(tmp_path: Path, forward: tuple[str, ...], edits: list[Edit], why: str) -> None:
    with pytest.raises(UnusableInputError, match=why):
        changed(checked(tmp_path, text(*forward)), tmp_path, *edits)


def test_an_argument_that_does_not_change_may_be_computed(tmp_path: Path) -> None:
    found = checked(tmp_path, text("return F.conv2d(x, self.w, None, PAD, PAD)"))
    assert changed(found, tmp_path, edit(CONVS, dilation=2)) == [
        "return F.conv2d(x, self.w, None, PAD, PAD, dilation=2)"
    ]


def test_an_edit_that_is_of_no_call_is_refused(tmp_path: Path) -> None:
    new = Edit(layer="", text="a layer before {}", size=1, make=lambda forward: forward)
    with pytest.raises(UnusableInputError, match=r"^no single call can be changed for this: a layer"):
        changed(checked(tmp_path, text(*TWO)), tmp_path, new)


def test_a_call_in_another_file_is_refused(tmp_path: Path) -> None:
    found = checked(tmp_path, text(*TWO))
    with pytest.raises(UnusableInputError, match=r"^what would change is called in another file: net\.py:\d+$"):
        calls_in_forward(found, [edit(POOLS)], str(tmp_path / "other.py"), tree)
