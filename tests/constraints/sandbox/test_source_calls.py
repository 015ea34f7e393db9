"""The calls that make layers, as syntax: their arguments, what hands these on, and why an edit would not hold."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from constraints.errors import UnusableInputError
from constraints.sandbox.constructions import UserCall
from constraints.sandbox.source_calls import SourceCalls, called_by
from tests.constraints.sandbox.made import CONV, checked

HEAD = """from functools import partial
from torch import nn
SIZE = 2
half = partial(nn.Conv2d, kernel_size=3)
class Own(nn.Conv2d):
    def __init__(self, i, o, k=3):
        super().__init__(i, o, k, stride=SIZE)
def conv(i, o, d=1, p=None):
    return nn.Conv2d(i, o, 3, 1, d if p is None else p, d)
def pair(i, w=1):
    return nn.Sequential(conv(i, 8, w), conv(8, 8, d=w, p=w))
def fixed(i, o):
    return nn.Conv2d(i, o, 3, stride=1)
def strided(i, o, s):
    return nn.Conv2d(i, o, 3, stride=s, padding=s)
"""
WHERE = r"net\.py:"


def source(folder: Path, layers: str, then: str = "") -> SourceCalls:
    return SourceCalls(checked=checked(folder, f"{HEAD}net = nn.Sequential({layers})\n{then}\n"))


def made(found: SourceCalls, layer: str = "0") -> tuple[nn.Module, tuple[UserCall, ...]]:
    module = found.checked.model.get_submodule(layer)
    return module, tuple(call for call in found.checked.made.calls(module) if call.file.endswith("net.py"))


def handed(found: SourceCalls, layer: str, **wanted: Any) -> tuple[dict[str, Any], dict[str, set[str]]]:
    """What the function around a layer's call is to be given."""
    module, calls = made(found, layer)
    parameters = found.parameters(module, calls[0], set())
    return found.handed_on(calls[0], parameters, wanted, {name: {name} for name in wanted}, layer)


def test_a_layers_call_is_found_with_the_parameters_of_its_class(tmp_path: Path) -> None:
    found = source(tmp_path, "nn.Conv2d(3, 8, 3)")
    module, (call,) = made(found)
    assert found.parameters(module, call, {"stride"}) == CONV
    assert found.node(call).lineno == len(HEAD.splitlines()) + 1


def test_a_lazy_layer_is_told_no_inputs(tmp_path: Path) -> None:
    found = source(tmp_path, "nn.LazyConv2d(8, 3)")
    module, calls = made(found)
    assert isinstance(module, nn.Conv2d)
    assert found.parameters(module, calls[0], set())[:2] == ("out_channels", "kernel_size")


def test_what_is_set_after_the_call_cannot_be_edited_in_it(tmp_path: Path) -> None:
    found = source(tmp_path, "nn.Conv2d(3, 8, 3)", "net[0].stride = (2, 2)")
    module, (call,) = made(found)
    assert found.parameters(module, call, {"dilation"}), "what was not set elsewhere can be"
    with pytest.raises(UnusableInputError, match=r"^stride is also set outside of nn\.Conv2d\(3, 8, 3\) at line \d+$"):
        found.parameters(module, call, {"dilation", "stride"})


def test_inside_a_class_of_ones_own_the_call_is_of_its_base(tmp_path: Path) -> None:
    found = source(tmp_path, "Own(3, 8)")
    module, (inner, outer) = made(found)
    assert called_by(module, inner) is vars(nn.Conv2d)["__init__"]
    assert called_by(module, outer) is type(module)
    assert found.parameters(module, inner, set()) == CONV
    assert found.parameters(module, outer, set()) == ("i", "o", "k")


@pytest.mark.parametrize("layers", ["half(3, 8)", "nn.Sequential(half(in_channels=3, out_channels=8))[0]"])
def test_a_partial_is_refused(tmp_path: Path, layers: str) -> None:
    found = source(tmp_path, layers)
    line = len(HEAD.splitlines()) + 1
    with pytest.raises(UnusableInputError, match=rf"^half, which {WHERE}{line} calls, is a partial: write the call"):
        found.node(made(found)[1][0])


@pytest.mark.parametrize("name", ["odd", "conv"])
def test_a_partial_that_is_imported_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    parts, loaded = ModuleType("parts_of_net"), ModuleType("net_of_parts")
    exec(HEAD.replace("half", "odd"), vars(parts))
    loaded.__file__ = str(tmp_path / "net.py")
    vars(loaded)[name] = vars(parts)[name]
    for module in (parts, loaded):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    text = f"from parts_of_net import {name}, nn\nnet = nn.Sequential({name}(3, 8))\n"
    found = SourceCalls(checked=checked(tmp_path, text))
    call = made(found)[1][-1]
    if name == "conv":
        assert found.node(call).lineno == 2
        return
    with pytest.raises(UnusableInputError, match=rf"^odd, which {WHERE}2 calls, is a partial"):
        found.node(call)


def test_whether_the_arguments_that_decide_are_written_out(tmp_path: Path) -> None:
    found = source(tmp_path, "nn.Conv2d(3, 8, 3, SIZE, padding=(1, -0))")
    module, (call,) = made(found)
    known = found.parameters(module, call, set())
    assert not found.unsettled(call, known, {"dilation": {"dilation"}}), "what is left out is its default"
    assert not found.unsettled(call, known, {"padding": {"padding", "dilation"}})
    line = len(HEAD.splitlines()) + 1
    for depends in ({"stride": {"stride"}}, {"padding": {"padding"}, "dilation": {"stride"}}):
        assert found.unsettled(call, known, depends) == f"stride is SIZE, not a constant: net.py:{line}"


def test_the_layers_of_a_call_are_those_of_all_calls_around_it(tmp_path: Path) -> None:
    found = source(tmp_path, "pair(3), pair(8), nn.ReLU()")
    _, calls = made(found, "0.1")
    assert found.made_by(calls[:1]) == {f"{pair}.{conv}" for pair in (0, 1) for conv in (0, 1)}
    assert found.made_by(calls[:2]) == {"0.1", "1.1"}
    assert found.made_by(calls) == {"0.1"}


def test_a_parameter_that_is_passed_on_gets_the_value(tmp_path: Path) -> None:
    found = source(tmp_path, "conv(3, 8)")
    assert handed(found, "0", dilation=2) == ({"d": 2}, {"d": {"d"}})


def test_a_computed_argument_is_left_to_what_it_is_computed_from(tmp_path: Path) -> None:
    found = source(tmp_path, "conv(3, 8)")
    assert handed(found, "0", dilation=2, padding=2) == ({"d": 2}, {"d": {"d"}})


@pytest.mark.parametrize(
    ("layers", "wanted", "why"),
    [
        ("fixed(3, 8)", {"stride": 2}, "makes others too, and none of its parameters sets stride"),
        ("fixed(3, 8)", {"groups": 1}, "makes others too, and none of its parameters sets groups"),
        ("conv(3, 8)", {"padding": 2}, "is made by a call that makes others too"),
        ("strided(3, 8, 1)", {"stride": 2, "padding": 1}, "s would be 2 and 1"),
    ],
)
def test_why_a_function_can_not_be_given_a_value(tmp_path: Path, layers: str, wanted: dict[str, int], why: str) -> None:
    with pytest.raises(UnusableInputError, match=rf"^layer 0[: ].*{why}: {WHERE}\d+$"):
        handed(source(tmp_path, layers), "0", **wanted)


def test_one_parameter_may_set_several_arguments_to_one_value(tmp_path: Path) -> None:
    assert handed(source(tmp_path, "strided(3, 8, 1)"), "0", stride=2, padding=2) == ({"s": 2}, {"s": {"s"}})


def test_a_value_depends_on_what_sets_the_arguments_that_it_is_computed_from(tmp_path: Path) -> None:
    found = source(tmp_path, "pair(3)")
    module, calls = made(found, "0.1")
    depends = {"dilation": {"dilation", "stride", "out_channels"}}
    known = found.parameters(module, calls[0], set())
    assert found.handed_on(calls[0], known, {"dilation": 3}, depends, "0.1") == ({"d": 3}, {"d": {"d", "o"}})
    with pytest.raises(UnusableInputError, match=r"^padding is d if p is None else p, not a constant: net\.py:"):
        found.handed_on(calls[0], known, {"dilation": 3}, {"dilation": {"padding"}}, "0.1")


def test_a_file_that_only_a_cell_wrote_is_named(tmp_path: Path) -> None:
    found = source(tmp_path, "nn.Conv2d(3, 8, 3)")
    (tmp_path / "net.py").unlink()
    with pytest.raises(UnusableInputError, match=r"^a file that is not there makes the layers: .*net\.py: run the"):
        found.node(made(found)[1][0])
