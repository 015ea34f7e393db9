"""The parameters of a call, read from its source, are those that Python has after the file has run."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest
from torch import nn

from constraints.cli.parameters import parameters_of

KNOWN = [
    "class Net(nn.Module):\n    def __init__(self, width, *, deep=3, **more): ...",
    "class Net(Module):\n    def __init__(self, a, /, b=1, *rest, c): ...",
    "class Net:\n    def __init__(self): ...",
    "def Net(): ...",
    "def Net(width: int = 3, *, kind='relu') -> nn.Module: ...",
    "import nn as other\nclass Other: ...\ndef Net(a, b): ...",
]
UNKNOWN = [
    "@register\nclass Net(nn.Module):\n    def __init__(self, width): ...",
    "class Net(Base):\n    def __init__(self, width): ...",
    "class Net(nn.Module, metaclass=Meta):\n    def __init__(self, width): ...",
    "class Net(nn.Module): ...",
    "class Net(nn.Module):\n    def __new__(cls, *args): ...\n    def __init__(self, width): ...",
    "class Net(nn.Module):\n    @wrapped\n    def __init__(self, width): ...",
    "def Net(a): ...\nNet = partial(Net, 3)",
    "if ready:\n    def Net(a): ...",
    "def Net(a): ...\nif ready:\n    def Net(): ...",
    "class Net:\n    def __init__(self, a): ...\nNet.__init__ = other",
    "def Net(a): ...\nfrom other import Net",
    "Net = 3",
]


@pytest.mark.parametrize("text", KNOWN)
def test_parameters_are_those_that_python_says(text: str) -> None:
    space: dict[str, Any] = {"nn": nn, "Module": nn.Module}
    exec(text.replace("import nn as other\n", ""), space)
    said = [(p.name, p.kind, p.default is p.empty) for p in inspect.signature(space["Net"]).parameters.values()]
    found = parameters_of(ast.parse(text), "Net")
    assert found is not None
    assert [(p.name, p.kind, p.default is p.empty) for p in found] == said


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_only_running_tells_is_not_known(text: str) -> None:
    assert parameters_of(ast.parse(text), "Net") is None
