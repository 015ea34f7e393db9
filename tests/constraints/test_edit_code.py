"""Edits written as code make what the edits make."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable

import pytest
import torch
from torch import nn

from constraints import conv_edits
from constraints.conv_sites import sites
from constraints.edit_code import Names, edit_lines, expression, inserted_lines
from constraints.edits import Change, applied
from constraints.errors import UnusableInputError
from constraints.insertions import Convolutions, before_the_model, beside
from constraints.pool_edits import average_everywhere
from constraints.tracer import trace


class Net(nn.Module):
    """A shared layer, a layer in a list, and one in a container."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = self.a
        self.rest = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False, padding_mode="reflect", padding=1), nn.MaxPool2d(2))
        self.kept = [nn.Conv2d(4, 4, 3)]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.kept[0](self.a(image) + self.rest[1](self.rest[0](image)).mean())
        return pooled


def of_layer(name: str) -> Change:
    model = Net()
    (site,) = (s for s in sites(model, trace(model, (3, 16, 16)).layers) if s.name == name)
    more = Convolutions(channels=4, dilations=(1, 2), kind="separable")
    return (*conv_edits.dilate(site, 2), beside(name, more))


@pytest.mark.parametrize("name", ["a", "rest.0", ""])
def test_the_code_makes_what_the_edits_make(name: str) -> None:
    model = Net()
    change = of_layer(name) if name else (before_the_model(model, Convolutions(channels=3)),)
    written = copy.deepcopy(model)
    names = Names(model="given", on_the_input="behind")
    code = "\n".join([names.helper(), *edit_lines(model, change, names)])
    exec(code, {"given": written, "nn": nn, "functools": functools, "torch": torch})
    with applied(model, change):
        assert repr(written) == repr(model)
        written.load_state_dict(model.state_dict())
        assert trace(written, (3, 16, 16)).layers == trace(model, (3, 16, 16)).layers
    assert repr(model) == repr(Net())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (of_layer("kept.0"), "layer kept.0 is in a plain list, dict or tuple: keep it in an nn.ModuleList"),
        (
            next(average_everywhere(Net(), ["max_pool2d", "Net.max_pool2d"])),
            "but a call in a forward method: an average pool",
        ),
    ],
)
def test_what_no_code_makes_is_said(change: Change, reason: str) -> None:
    with pytest.raises(UnusableInputError, match=re.escape(reason)):
        edit_lines(Net(), change, Names())


@pytest.mark.parametrize("keep", [list, tuple, set, lambda layers: {"all": [*layers]}])
def test_a_registered_layer_that_is_in_a_plain_container_too_is_named(keep: Callable[[nn.ModuleList], object]) -> None:
    """Its name would get the new layer, the list would keep the old one."""
    model = Net()
    vars(model)["plain"] = keep(nn.ModuleList([model.a]))
    reason = "layer a is in a plain list, dict or tuple too: keep it in an nn.ModuleList"
    with pytest.raises(UnusableInputError, match=reason):
        edit_lines(model, of_layer("a"), Names())


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Linear(2, 3).double(), "nn.Linear(in_features=2, out_features=3).to(torch.float64)"),
        (
            nn.Conv2d(4, 8, (3, 1), padding="same", groups=2, bias=False),
            "nn.Conv2d(in_channels=4, out_channels=8, kernel_size=(3, 1), padding='same', groups=2, bias=False)",
        ),
        (nn.AvgPool2d(2, ceil_mode=True), "nn.AvgPool2d(kernel_size=2, stride=2, ceil_mode=True)"),
        (nn.BatchNorm2d(4, affine=False), "nn.BatchNorm2d(num_features=4, affine=False, bias=False)"),
        (nn.Unflatten(1, (4, 2, 2)), "nn.Unflatten(dim=1, unflattened_size=(4, 2, 2))"),
    ],
)
def test_arguments_that_are_no_defaults_are_written(layer: nn.Module, text: str) -> None:
    assert expression(layer) == text
    assert repr(eval(text, {"nn": nn, "torch": torch})) == repr(layer)


def test_a_class_of_ones_own_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="no call of its constructor makes this Net"):
        expression(Net())


def test_where_layers_are_put_in_the_lines_make_every_edit() -> None:
    """The sentence names several edits: running its lines makes all of them."""
    model = Net()
    dilated, inserted = of_layer("a")
    assert inserted_lines(model, (dilated,)) == ()  # its sentence says it all
    lines = inserted_lines(model, (dilated, inserted))
    assert lines[:5] == (
        "model.get_submodule('a').dilation = (2, 2)",
        "model.get_submodule('a').padding = (2, 2)",
        "model.set_submodule('a', nn.Sequential(",
        "    model.get_submodule('a'),",
        "    nn.BatchNorm2d(num_features=4),",
    )
    assert lines[-2:] == ("))", "model.set_submodule('b', model.get_submodule('a'))")
    assert model.a.dilation == (1, 1)


def test_the_arguments_of_a_convolution_of_a_class_of_ones_own_are_set_and_its_weights_kept() -> None:
    class Padded(nn.Conv2d):
        def __init__(self, width: int) -> None:
            super().__init__(3, width, 3, padding=1)

    model = nn.Sequential(Padded(4))
    (site,) = sites(model, trace(model, (3, 16, 16)).layers)
    weights = model[0].weight
    exec("\n".join(edit_lines(model, (*conv_edits.dilate(site, 2),), Names())), {"model": model})
    assert f"{model[0].dilation}, {model[0].padding}" == "(2, 2), (2, 2)"
    assert model[0].weight is weights
