"""The one model of a file whose name was left out."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from textwrap import indent
from types import ModuleType

import pytest

from constraints.errors import NoModelError, UnusableInputError
from constraints.sandbox.choice import only_model
from constraints.sandbox.standins import NotInstalledError, StandIns

HEAD = "import torch\nfrom torch import nn\n"
NET = """class {}(nn.Module):
    def __init__(self{}):
        super().__init__()
        {}
    def forward(self, x):
        return x
"""

MAKERS = """def stage(i, o):
    return [nn.Conv2d(i, o, 3), nn.ReLU()]
def make(width=8):
    return nn.Sequential(*stage(3, width), *stage(width, width))
"""


def network(name: str, needs: str = "", code: str = "self.f = nn.Linear(2, 2)") -> str:
    return NET.format(name, needs, code)


def chosen(code: str, *, is_given: bool = False) -> str:
    module = ModuleType("given")
    exec(HEAD + code, vars(module))
    return only_model(module, "given.py", is_given=is_given)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (network("Net"), "Net"),
        (network("Block", ", width") + network("Net", code="self.b = Block(3)"), "Net"),
        (network("Block") + "def make():\n    return Block()\n" + network("Net", code="self.b = make()"), "Net"),
        (network("Net") + "model = Net()\nsame = model\n", "Net"),
        (network("Net", ", width") + "model = Net(3)\n", "model"),
        (network("Net", ", width") + "from functools import partial\nsmall = partial(Net, 3)\n", "small"),
        (network("Net", ", width") + "from functools import partial\nlinear = partial(nn.Linear, 3)\n", "Net"),
        (
            network("Act", ", beta")
            + "from functools import partial\nact = partial(Act, 3)\n"
            + network("Net", ", classes", "self.a = act()"),
            "Net",
        ),
        (network("Loss").replace("self, x)", "self, x, y)") + network("Net"), "Net"),
        (network("Spare", ", width") + network("Net"), "Net"),
        (network("_Base") + network("Net").replace("nn.Module", "_Base"), "Net"),
        ("loss = nn.CrossEntropyLoss()\nnet = nn.Sequential(nn.Linear(2, 2))\n", "net"),
        (network("_Net") + "def make():\n    return _Net()\n", "_Net"),
        (network("Block", ", width") + "net = nn.Sequential(Block(3), nn.Linear(2, 2))\n", "net"),
        (network("Block", ", width") + "loss = nn.CrossEntropyLoss()\n", "Block"),
        (network("Block", ", width") + "def cbr(i):\n    return Block(i)\ndef make():\n    return cbr(3)\n", "make"),
        (
            "import abc\nclass Base(nn.Module, abc.ABC):\n    @abc.abstractmethod\n    def forward(self, x):\n"
            "        ...\n" + network("Net").replace("nn.Module", "Base"), "Net",
        ),
        (network("Net") + "def fixed_model():\n    return Net()\n", "fixed_model"),
        (network("Net") + "fixed_model = 3\ndef fixed_model_2():\n    return Net()\n", "fixed_model_2"),
        (network("Net") + "def fixed_model(width):\n    return Net()\n", "Net"),
        (MAKERS, "make"),
        ("def make():\n    return Base(3, 3)\nBase = nn.Linear\n", "make"),
        ("def loss():\n    return nn.CrossEntropyLoss()\n" + MAKERS, "make"),
        ("features = nn.Sequential(nn.Linear(2, 2))\nmodel = nn.Sequential(features, nn.Linear(2, 2))\n", "model"),
        ("net = nn.Sequential(nn.Linear(2, 2))\nmany = nn.DataParallel(net)\n", "net"),
        ("many = nn.DataParallel(nn.Linear(2, 2))\n", "many"),
        (
            network("Body") + network("Head", ", width") + network("Net", ", body, head")
            .replace("self.f = nn.Linear(2, 2)", "self.body, self.head = body, head")
            + "model = Net(Body(), Head(3))", "model",
        ),
        ("class Abstract(nn.Module):\n    pass\n" + network("Net").replace("nn.Module", "Abstract"), "Net"),
    ],
)  # fmt: skip
def test_the_model_is_no_part_of_another_and_can_be_built(code: str, name: str) -> None:
    assert chosen(code) == name


@pytest.mark.parametrize(
    ("needs", "flags"), [("", ""), (", width", " --arg width=..."), (", width: Own, depth", ""), (", width=3", "")]
)
def test_several_models_are_named_with_the_arguments_that_one_needs(needs: str, flags: str) -> None:
    code = "class Own:\n    pass\n" + network("A", needs) + network("B", needs).replace("nn.Module", "A")
    with pytest.raises(UnusableInputError) as error:
        chosen(code)
    assert str(error.value) == f"several models in given.py: A, B: name one: given.py:A{flags}"
    assert not isinstance(error.value, NoModelError)


def test_a_partial_of_one_of_several_classes_chooses_none() -> None:
    code = network("A", ", width") + network("B", ", width") + "from functools import partial\nsmall = partial(A, 3)\n"
    with pytest.raises(UnusableInputError, match=r"several models in given\.py: A, B: name one"):
        chosen(code)


def test_a_file_without_a_model_says_so() -> None:
    with pytest.raises(NoModelError, match=r"no model in given\.py"):
        chosen("def make():\n    return torch.zeros(2)\n")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("class Net(nn.Module):\n    pass\n", "Net has no forward method: write one"),
        (network("Net").replace("forward", "foward"), "Net has no forward method: rename foward"),
        (network("Net").replace("forward", "call"), "Net has no forward method: rename call"),
        (
            network("Net").replace("(nn.Module)", "") + "def other(): pass\n",
            "it defines no nn.Module: name a function that returns one: file:NAME, or the file that defines",
        ),
        (
            "def outer(i):\n    return inner(i)\ndef inner(i):\n    return Base(i)\nBase = nn.Linear\n",
            r"name a function that returns one: given\.py:outer --arg i=\.\.\.",
        ),
        (
            f"def build(classes, width=8):\n{indent(network('Net'), '    ')}\n    return Net()\n"
            "if __name__ == '__main__':\n    model = nn.Sequential(build(10))\n",
            r"name a function that returns one: given\.py:build --arg classes=\.\.\.",
        ),
        (MAKERS.replace("width=8", "width"), r"name a function that returns one: given\.py:make --arg width=\.\.\."),
    ],
)
def test_why_a_file_has_no_model(code: str, reason: str) -> None:
    with pytest.raises(NoModelError, match=f"{reason}( the network)?$"):
        chosen(code)


def test_a_class_of_a_package_that_is_not_installed_is_named_with_its_package() -> None:
    absent = StandIns()
    absent.allow("hub_x")
    module = ModuleType("given")
    vars(module)["Base"] = absent.part("hub_x.models.Base")
    exec("class Config(Base):\n    pass\nclass Net(Base):\n    def forward(self, x):\n        pass\n", vars(module))
    with pytest.raises(UnusableInputError, match=r"Net extends hub_x\.models\.Base, .* uv run --with hub-x") as error:
        only_model(module, "given.py")
    assert not isinstance(error.value, NoModelError)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("m = Net()\n", r"m is made by model\.Net, which is not there: put model\.py into /here$"),
        (
            "model = resnet18().to(0)\n",
            r"model is made by mod\.nets\.resnet18, .* there: put mod/nets\.py into /here or, if it is ",
        ),
        (
            "net = EfficientNet()\n",
            r"by efficientnet_pytorch\.EfficientNet, .* installed: run uv run --with efficientnet-pytorch ",
        ),
        ("small = sequential(Net())\n", r"small is made by fastai\.all\.sequential, .* run uv run --with fastai "),
        ("model = Sequential()\n", r"by keras\.Sequential, .* torch\.nn: networks of keras are not checked$"),
        ("class Net2(Net):\n    pass\n", r"Net2 extends model\.Net, which is not there: put model\.py into /here$"),
    ],
)
def test_a_model_made_by_a_module_that_is_missing_names_the_file(code: str, reason: str) -> None:
    absent = StandIns()
    names = ["model.Net", "mod.nets.resnet18", "efficientnet_pytorch.EfficientNet", "keras.Sequential", "plot.show"]
    names += ["fastai.all.sequential"]
    sys.meta_path.append(absent)
    for name in names:
        absent.allow(name.partition(".")[0], Path("/here"))
    module = ModuleType("given")
    for name in names:
        place, _, last = name.rpartition(".")
        vars(module)[last] = getattr(importlib.import_module(place), last)
    sys.meta_path.remove(absent)
    exec("figure = show()\n" + code, vars(module))
    try:
        with pytest.raises(NotInstalledError, match=f"no model in given.py: .*{reason}") as error:
            only_model(module, "given.py")
        assert not isinstance(error.value, NoModelError)
    finally:
        absent.forget()


SHOWN = network("Net", ", classes") + "def demo():\n    print(Net(10))\n"


def test_a_function_that_makes_a_network_and_returns_none_is_no_model() -> None:
    assert chosen(SHOWN) == "Net"


@pytest.mark.parametrize("is_given", [False, True])
def test_arguments_are_for_the_network_and_not_for_what_makes_one(is_given: bool) -> None:
    made = network("Net", ", classes") + "def make():\n    return Net(10)\n"
    assert chosen(made, is_given=is_given) == ("Net" if is_given else "make")


def test_of_functions_alone_one_that_gets_its_arguments_is_chosen() -> None:
    code = MAKERS.replace("width=8", "width")
    assert chosen(code, is_given=True) == "make"
    with pytest.raises(NoModelError, match=r"name a function that returns one: given\.py:make --arg width=\.\.\."):
        chosen(code)
