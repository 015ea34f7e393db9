"""Edits are made in order and undone, under every name of a layer; equal ones are one phrase."""

from dataclasses import replace

import torch
from torch import nn

from constraints.conv_edits import dilate, restride
from constraints.conv_sites import sites
from constraints.edits import Called, Edit, applied, ordinal, other_names, without_overwritten, words
from constraints.tracer import trace


def conv() -> nn.Conv2d:
    return nn.Conv2d(8, 8, 3, padding=1)


def test_alike_edits_are_one_phrase() -> None:
    def edit(layer: str, text: str) -> Edit:
        return Edit(layer=layer, text=text, size=1, make=lambda layer: layer)

    strides = [edit(name, "stride 2 in {}") for name in "abc"]
    assert words(tuple(strides[:1])) == "stride 2 in layer a"
    assert words((*strides, edit("d", "no pool in {}"))) == "stride 2 in layers a, b and c and no pool in layer d"
    assert words((edit("", "a pool at the end"),)) == "a pool at the end"
    calls = [replace(edit("", "stride 2 in {}"), called=Called("conv2d", "Net", i)) for i in (2, 3)]
    phrase = "stride 2 in the 2nd and 3rd conv2d called in forward of Net"
    assert words((*calls, *strides[:1])) == f"{phrase} and stride 2 in layer a"
    assert (
        words((replace(calls[0], called=Called("conv2d", "part")),)) == "stride 2 in conv2d called in forward of part"
    )


def test_an_edit_that_a_later_one_sets_again_is_left_out() -> None:
    def dilation(layer: str, number: int, **more: int) -> Edit:
        return Edit(
            layer=layer, text=f"dilation {number} in {{}}", size=1, make=lambda layer: layer,
            arguments={"dilation": number, **more},
        )  # fmt: skip

    first, other, last = dilation("a", 2), dilation("b", 2), dilation("a", 5, padding=5)
    assert without_overwritten((first, other, last)) == (other, last)
    assert without_overwritten((last, other, first)) == (last, other, first)  # its padding is not set again
    split = replace(last, rewrite=lambda *_: "")
    assert without_overwritten((first, split)) == (first, split)


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd"
    ]  # fmt: skip


def test_a_change_is_made_in_order_and_taken_back() -> None:
    model = nn.Sequential(conv(), nn.ReLU())
    first = model[0]
    (place,) = sites(model, trace(model, (8, 16, 16)).layers)
    (stride,), (dilation,) = restride(place, 2), dilate(place, 2)
    whole = Edit(layer="", text="doubled", size=1, make=lambda forward: lambda x: 2 * forward(x))
    with applied(model, (stride, dilation, whole)):
        assert isinstance(model[0], nn.Conv2d)
        assert (model[0].stride, model[0].dilation) == ((2, 2), (2, 2))
        assert torch.equal(model(x := torch.ones(1, 8, 4, 4)), 2 * model[1](model[0](x)))
    assert model[0] is first
    assert "forward" not in vars(model)


def test_a_shared_layer_is_edited_under_every_name_and_back() -> None:
    inner = nn.Sequential(conv())
    model = nn.ModuleDict({"a": inner, "b": inner, "c": nn.Sequential(inner[0])})
    (place,) = sites(inner, trace(inner, (8, 16, 16)).layers)
    (edit,) = dilate(replace(place, name="a.0"), 2)
    assert other_names(model) == {"a": ["b"], "a.0": ["b.0", "c.0"]}
    assert words((edit,), other_names(model)) == ("dilation 2 and padding 2 in layer a.0 (which is b.0 and c.0 too)")
    before = inner[0]
    with applied(model, (edit,)):
        made = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
        assert [part.dilation for part in made] == [(2, 2)]  # one and the same
    assert [part for part in model.modules() if isinstance(part, nn.Conv2d)] == [before]
