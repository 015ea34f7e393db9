"""Arguments that a function passes on by its own stars: which it may give, and which parameters it has by them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.passed_on import given, parameters_of, passes_keyword
from tests.constraints.sandbox.made import CONV, made_layers

TEXT = """from torch import nn
def make({header}):
    return nn.Conv2d({arguments})
net = nn.Sequential(make({call}))
"""


@pytest.mark.parametrize(
    ("header", "arguments", "argument", "passed"),
    [
        ("a", "a, 8, 3, dilation=2", "2", ""),
        ("a, **k", "a, 8, 3, **k", "dilation", "k"),
        ("a, **k", "a, 8, 3, dilation=2, **k", "2", ""),
        ("a, dilation=1, **k", "a, 8, 3, **k", None, ""),
        ("*a, **k", "*a, **k", "dilation", ""),
    ],
)
def test_a_star_gives_what_no_argument_does(
    tmp_path: Path, header: str, arguments: str, argument: str | None, passed: str
) -> None:
    positional = "3, 8, 3" if header.startswith("*") else "3"
    made = made_layers(tmp_path, TEXT.format(header=header, arguments=arguments, call=positional))
    inner = made.layers["0"][0].call
    node = made.source.node(inner)
    found = given(inner, node, CONV, "dilation")
    assert (None if found is None else ast.unparse(found)) == argument
    assert passes_keyword(inner, node, CONV, "dilation") == passed


def test_parameters_are_the_functions_own_and_those_of_its_stars(tmp_path: Path) -> None:
    made = made_layers(tmp_path, TEXT.format(header="a, **k", arguments="a, 8, 3, padding=1, **k", call="3"))
    inner = made.layers["0"][0].call
    names = parameters_of(inner, made.source.node(inner), CONV)
    assert names[0] == "a"
    assert {"dilation", "groups", "bias"} <= set(names)
    assert not {"in_channels", "out_channels", "kernel_size", "padding"} & set(names), "the call gives them itself"


def test_another_star_is_refused(tmp_path: Path) -> None:
    text = TEXT.format(header="a", arguments="a, 8, 3, **dict(dilation=2)", call="3")
    made = made_layers(tmp_path, text)
    inner = made.layers["0"][0].call
    with pytest.raises(UnusableInputError, match=r"\*\*dict\(dilation=2\) at line 3 may give dilation"):
        given(inner, made.source.node(inner), CONV, "dilation")
