"""Calls as values."""

from __future__ import annotations

from nas.architecture.calls import Factory, ModuleCall, changed


def test_options_that_are_torchs_default_are_left_out() -> None:
    assert changed(stride=1, padding=0, dilation=1, groups=1) == {}
    assert changed(stride=2, padding=1, dilation=1, groups=0) == {"stride": 2, "padding": 1, "groups": 0}


def test_parts_are_the_call_and_those_within_it() -> None:
    inner = ModuleCall("nn.Sequential", (ModuleCall("nn.ReLU"), ModuleCall("nn.Identity")))
    outer = ModuleCall("Residual", (inner, 3, None))
    assert [part.name for part in outer.parts()] == ["Residual", "nn.Sequential", "nn.ReLU", "nn.Identity"]


def test_a_factory_gives_its_name() -> None:
    factory = Factory(name="conv_relu", about="A convolution.", parameters=("inputs",), layers=lambda inputs: {})
    assert ModuleCall(factory, (3,)).name == "conv_relu"
