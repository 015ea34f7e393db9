"""Which call of a file an edit of a layer goes to, and why there may be none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from constraints.edits import Edit
from constraints.errors import UnusableInputError
from constraints.sandbox.layer_calls import LayerCalls
from constraints.source_edits import edited
from tests.constraints.sandbox.made import checked

HEAD = """from torch import nn
SIZE = 8
def conv(i, o, d=1):
    return nn.Conv2d(i, o, 3, padding=d, dilation=d)
def fixed(i, o):
    return nn.Conv2d(i, o, 3, padding=1)
"""
Calls = Callable[..., LayerCalls]


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    """The calls of a file whose network has these layers, and edits of some of them."""

    def made(layers: str, *change: Edit) -> LayerCalls:
        text = f"{HEAD}net = nn.Sequential({layers})\n"
        found = checked(tmp_path, text)
        return LayerCalls(checked=found, file=str(tmp_path / "net.py"), change=change, text=text)

    return made


def edit(layer: str, **arguments: Any) -> Edit:
    """Other arguments of a layer."""
    return Edit(layer=layer, text=f"{arguments} in {{}}", size=1, make=lambda module: module, arguments=arguments)


def rewrite(layer: str, text: str) -> Edit:
    """Another expression in place of the call of a layer."""

    def written(module: Any, prefix: str, call: str, _: Any) -> str:
        return text.format(prefix=prefix, call=call)

    return Edit(layer=layer, text="another {}", size=1, make=lambda module: module, rewrite=written)


def last_line(found: LayerCalls) -> str:
    """The line with the layers, edited."""
    return edited(found.text, found.edits(), found.more).splitlines()[-1]


@pytest.mark.parametrize(
    ("layers", "change", "line"),
    [
        ("nn.Conv2d(3, 8, 3)", [edit("0", stride=2)], "nn.Conv2d(3, 8, 3, stride=2)"),
        ("nn.Conv2d(3, 8, 3, stride=1)", [edit("0", stride=2)], "nn.Conv2d(3, 8, 3, stride=2)"),
        (
            "nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)",
            [edit("0", stride=2), edit("1", stride=4)],
            "nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3, stride=4)",
        ),
        ("nn.Conv2d(3, SIZE, 3)", [edit("0", stride=2, padding=1)], "nn.Conv2d(3, SIZE, 3, stride=2, padding=1)"),
        ("conv(3, 8), conv(8, 8)", [edit("0", dilation=2, padding=2), edit("1", dilation=2, padding=2)],
         "conv(3, 8, d=2), conv(8, 8, d=2)"),
        ("conv(3, 8), conv(8, 8)", [edit("1", dilation=2, padding=2)], "conv(3, 8), conv(8, 8, d=2)"),
        ("*[nn.Conv2d(3, 3, 3) for _ in range(2)]", [edit("0", stride=2), edit("1", stride=2)],
         "*[nn.Conv2d(3, 3, 3, stride=2) for _ in range(2)]"),
        ("nn.ReLU()", [rewrite("0", "{prefix}Identity()")], "nn.Identity()"),
        ("nn.ReLU()", [rewrite("0", "{prefix}Sequential({call})"), rewrite("0", "{call}.eval()")],
         "nn.Sequential(nn.ReLU()).eval()"),
    ],
)  # fmt: skip
def test_the_call_that_makes_a_layer_is_edited(calls: Calls, layers: str, change: list[Edit], line: str) -> None:
    assert last_line(calls(layers, *change)) == f"net = nn.Sequential({line})"


def test_one_edit_is_made_of_a_call_that_makes_several_layers_alike(calls: Calls) -> None:
    found = calls("*[nn.Conv2d(3, 3, 3) for _ in range(2)]", edit("0", stride=2), edit("1", stride=2))
    (one,) = found.edits()
    assert (one.position.line, dict(one.arguments)) == (len(HEAD.splitlines()) + 1, {"stride": 2})


def test_a_value_that_a_layer_has_is_no_edit(calls: Calls) -> None:
    (one,) = calls("nn.Conv2d(3, 8, 3, stride=2)", edit("0", stride=2, padding=1)).edits()
    assert dict(one.arguments) == {"padding": 1}


def test_layers_of_one_function_are_told_apart_by_a_parameter(calls: Calls) -> None:
    found = calls("fixed(3, 8), fixed(8, 8)", edit("1", stride=2))
    assert last_line(found).startswith("net = nn.Sequential(fixed(3, 8), fixed(8, 8, ")
    assert "stride=" in edited(found.text, found.edits(), found.more).splitlines()[5]


@pytest.mark.parametrize(
    ("layers", "change", "why"),
    [
        ("(lambda: nn.Conv2d)()(3, 8, 3)", rewrite("0", "nn.Identity()"), r"calls \(lambda: nn.Conv2d\)\(\), not"),
        ("__import__('copy').deepcopy(conv(3, 8))", edit("0", stride=2), "layer 0"),
    ],
)
def test_why_a_layer_has_no_call_that_can_be_edited(calls: Calls, layers: str, change: Edit, why: str) -> None:
    with pytest.raises(UnusableInputError, match=why):
        calls(layers, change).edits()
