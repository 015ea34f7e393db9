"""Parameters that a patch adds to functions: where they are written, and which are shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.new_parameters import NewParameters
from constraints.source_edits import replaced
from tests.constraints.sandbox.made import made_layers


def text_of(header: str) -> str:
    return f"from torch import nn\n{header}\n    return nn.Conv2d(3, 8, 3)\nnet = nn.Sequential(make(1), make(2))\n"


@pytest.mark.parametrize(
    ("header", "new"),
    [
        ("def make(a):", "def make(a, dilation=1):"),
        ("def make(a,):", "def make(a, dilation=1,):"),
        ("def make(a=(1, 2)):", "def make(a=(1, 2), dilation=1):"),
        ("def make(*a):", "def make(*a, dilation=1):"),
        ("def make(a, **k):", "def make(a, dilation=1, **k):"),
        ("def make(a, dilation=3):", "def make(a, dilation=3, dilation_1=1):"),
    ],
)
def test_a_new_parameter_is_the_last_one(tmp_path: Path, header: str, new: str) -> None:
    made = made_layers(tmp_path, text_of(header))
    added = NewParameters(source=made.source)
    name = added.add(made.layers["0"][0].call, "dilation", "1", {1: None, 2: "2"})
    assert name == ("dilation_1" if "dilation=3" in header else "dilation")
    changed = replaced(made.source.bytes, list(added.pieces()))
    assert changed == text_of(new)
    compile(changed, "net.py", "exec")


def test_a_parameter_is_shared_by_equal_values_alone(tmp_path: Path) -> None:
    made = made_layers(tmp_path, text_of("def make(a):"))
    added, call = NewParameters(source=made.source), made.layers["0"][0].call
    assert added.add(call, "d", "1", {1: None, 2: "2"}) == "d"
    assert added.add(call, "d", "1", {1: None, 2: "2"}) == "d"
    assert added.add(call, "d", "1", {1: "2", 2: "2"}) == "d_1", "another value in the first run"
    assert added.add(call, "d", "0", {1: None, 2: "2"}) == "d_2", "another default"


def test_a_function_without_parameters_gets_none(tmp_path: Path) -> None:
    text = text_of("def make():").replace("make(1), make(2)", "make()")
    added = NewParameters(source=(made := made_layers(tmp_path, text)).source)
    added.add(made.layers["0"][0].call, "d", "1", {})
    with pytest.raises(UnusableInputError, match="no parameter can be added to make at line 2"):
        list(added.pieces())
