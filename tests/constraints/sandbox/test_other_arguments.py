"""A network that the file makes with arguments, beside the checked class without."""

from __future__ import annotations

import ast

import pytest
from torch import nn

from constraints.sandbox.other_arguments import made_otherwise


class Net(nn.Sequential):
    def __init__(self, width: int = 8) -> None:
        super().__init__(nn.Conv2d(3, width, 3))


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("model = Net(width=64).to(device)", "Net(width=64)"),
        ("model = torch.compile(Net(64))", "Net(64)"),
        ("model: nn.Module = Net(64)", "Net(64)"),
        ("model = nn.DataParallel(Net(64).cuda())", "Net(64)"),
        ("model = [Net(64)]", ""),
        ("model = sum(p.numel() for p in Net(64).parameters())", ""),
        ("model = Net()", ""),
        ("model = Other(64)", ""),
        ("width = 64", ""),
    ],
)
def test_a_network_with_arguments_is_named(line: str, made: str) -> None:
    said = f"model is {made} in the file, and this is Net without arguments: to check the former, name model"
    assert made_otherwise(ast.parse(f"import torch\n{line}"), "Net", {"model": Net(64)}, Net()) == (
        said if made else ""
    )
    assert made_otherwise(ast.parse(line), "Net", {}, Net()) == (
        said if made else ""
    )  # a notebook's, which did not run


def test_arguments_that_are_the_defaults_make_no_other_network() -> None:
    assert not made_otherwise(ast.parse("model = Net(width=8)"), "Net", {"model": Net(8)}, Net())


def test_arguments_that_change_no_parameter_make_another_network() -> None:
    made = nn.Sequential(nn.Conv2d(3, 8, 3, dilation=4))
    assert made_otherwise(ast.parse("model = Net(dilation=4)"), "Net", {"model": made}, Net())


@pytest.mark.parametrize("line", ["size = count(Net(64))", "models = build(Net(64))"])
def test_what_is_no_network_is_not_named(line: str) -> None:
    assert not made_otherwise(ast.parse(line), "Net", {"size": 5, "models": [Net(64)]}, Net())
