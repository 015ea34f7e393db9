"""Further convolutions beside a layer and before a model: what they are, what they cost, what is written for them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from constraints.conv_sites import Site
from constraints.edits import applied
from constraints.errors import UnusableInputError
from constraints.insertions import Convolutions, before_the_model, beside, insert
from constraints.metrics import Layer
from constraints.tracer import trace

GIVEN = {"out_channels": "width", "device": None, "dtype": None}


def site(conv: nn.Conv2d) -> Site:
    layer = Layer(
        name="conv", op="conv2d", output=(8, 16, 16), params=0, macs=0, receptive_field=(3, 3), jump=(1, 1),
        kernel=(3, 3), stride=(1, 1), dilation=(1, 1), groups=1,
    )  # fmt: skip
    return Site(name="conv", conv=conv, layer=layer)


def test_more_convolutions_keep_the_old_one() -> None:
    old = nn.Conv2d(4, 8, 3, stride=2, padding=1)
    (after,), (before,) = insert(site(old)), insert(site(old), 2, before=True)
    made = list(after.make(old))
    assert made[0] is old
    assert [type(m) for m in made[1:]] == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d]
    assert (after.size, after.text) == (
        9 * 8 * 8,
        "one more 3x3 convolution, with batch norm and ReLU between, after {}",
    )
    chain = list(before.make(old))
    assert chain[-1] is old
    assert [type(m) for m in chain] == [nn.Conv2d, *[nn.BatchNorm2d, nn.ReLU, nn.Conv2d] * 2]
    assert [m.in_channels for m in chain if isinstance(m, nn.Conv2d)] == [4, 4, 4]
    assert before.text == "2 more 3x3 convolutions, with batch norm and ReLU between, before {}"
    assert not list(insert(site(nn.Conv2d(4, 8, 1))))


@pytest.mark.parametrize(
    ("kind", "weights", "words"),
    [
        ("", 3 * 9 * 8 * 8, "3 more 3x3 convolutions (dilation 2 in the 2nd and 3rd)"),
        (
            "separable",
            3 * (9 * 8 + 8 * 8),
            "3 more depthwise-separable 3x3 convolutions (dilation 2 in the 2nd and 3rd)",
        ),
        ("depthwise", 3 * 9 * 8, "3 more depthwise 3x3 convolutions (dilation 2 in the 2nd and 3rd)"),
    ],
)
def test_kinds_their_weights_and_what_is_written(kind: str, weights: int, words: str) -> None:
    more = Convolutions(channels=8, dilations=(1, 2, 2), kind=kind)  # type: ignore[arg-type]
    made = nn.Sequential(*more.modules())
    assert sum(p.numel() for p in made.parameters()) == more.size == weights
    assert made(torch.rand(1, 8, 9, 9)).shape == (1, 8, 9, 9)
    assert more.text == words
    edit = beside("conv", more)
    assert edit.rewrite is not None
    text = edit.rewrite(nn.Conv2d(3, 8, 3), "nn.", "nn.Conv2d(3, width, 3)", GIVEN.get)
    written = eval(text, {"nn": nn, "width": 8})  # the line that is put into a user's file
    assert repr(written) == repr(edit.make(nn.Conv2d(3, 8, 3)))


def test_nothing_is_written_for_a_class_that_is_not_torchs() -> None:
    edit = beside("conv", Convolutions(channels=8))
    assert edit.rewrite is not None
    with pytest.raises(UnusableInputError, match="Linear is not torch's Conv2d"):
        edit.rewrite(nn.Linear(3, 8), "", "Linear(3, 8)", GIVEN.get)


class Flat(nn.Linear):
    """A network without a map."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return super().forward(image.flatten(1))


@pytest.mark.parametrize("model", [Flat(48, 2), nn.Sequential(nn.Flatten(), nn.Linear(48, 2))])
def test_convolutions_before_a_model_are_parts_of_it_until_they_are_taken_back(model: nn.Module) -> None:
    edit = before_the_model(model, Convolutions(channels=3, dilations=(1, 2)))
    assert edit.text == (
        "2 3x3 convolutions (dilation 2 in the 2nd), each with batch norm and ReLU, on the image before the model"
    )
    names = list(dict(model.named_modules()))
    with applied(model, (edit,)):
        assert trace(model, (3, 4, 4)).metrics.params == (48 * 2 + 2) + 2 * (81 + 6)
    assert list(dict(model.named_modules())) == names
    assert trace(model, (3, 4, 4)).metrics.params == 48 * 2 + 2


def test_one_dilated_convolution_is_named_so() -> None:
    one = Convolutions(channels=4, dilations=(2,))
    assert one.text == "one more dilated 3x3 convolution"
    text = "one dilated 3x3 convolution, with batch norm and ReLU, on the image before the model"
    assert before_the_model(Flat(12, 2), one).text == text


def test_before_a_sequential_whose_first_layer_is_shared_it_is_put_in_once() -> None:
    act = nn.ReLU()
    model = nn.Sequential(act, nn.Conv2d(3, 4, 3), act)
    edit = before_the_model(model, Convolutions(channels=3))
    with applied(model, (edit,)):
        assert [type(m) for m in model] == [nn.Sequential, nn.Conv2d, nn.ReLU]
        assert model(torch.rand(1, 3, 8, 8)).shape == (1, 4, 6, 6)
        assert trace(model, (3, 8, 8)).metrics.convs == 2
        assert model[2] is act
        assert [m is act for m in model[0].modules()].count(True) == 1
    assert model[0] is model[2] is act


class Taken(nn.Module):
    """Has layers of the names that an added one may get."""

    added1 = "a class attribute"

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.added0, self.added2 = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """All layers in a row."""
        found: torch.Tensor = self.added2(self.added0(self.fc(image)))
        return found


def test_a_layer_that_is_added_takes_no_name_of_the_models() -> None:
    model = Taken()
    before = dict(model.named_modules())
    with applied(model, (before_the_model(model, Convolutions(channels=3)),)):
        assert [*model._modules] == ["fc", "added0", "added2", "added3"]
        assert trace(model, (3, 16, 16)).metrics.convs == 4
    assert dict(model.named_modules()) == before
