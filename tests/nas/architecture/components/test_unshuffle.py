from __future__ import annotations

import pytest
import torch

from constraints.gradient_probe import probe
from constraints.tracer import trace
from nas.architecture.components import Unshuffle
from nas.architecture.errors import ArchitectureError
from nas.architecture.model import build
from nas.architecture.module_import import from_module
from nas.architecture.spec import parse
from nas.space.analytic import metrics

TEXT = "BR.3x96x96.5/u4-c16-c16s2/c16/fc"


def test_by_hand() -> None:
    """96 / 4 = 24 pixels a side of 3 * 16 = 48 channels; the field is 4 * 3, then 4 * 2 more, then 8 * 2 more."""
    architecture = parse(TEXT)
    assert architecture.placed[0].output == (48, 24, 24)
    found = metrics(architecture)
    assert found.params == (48 * 9 * 16 + 32) + 2 * (16 * 9 * 16 + 32) + 17 * 5
    assert found.receptive_field == 12 + 8 + 16
    assert found.stages == 2
    assert found.downsampled_by == (8, 8)


def test_the_trace_and_the_gradients_agree() -> None:
    architecture = parse(TEXT)
    model = build(architecture)
    assert trace(model, architecture.input).metrics.as_dict() == metrics(architecture).as_dict()
    assert probe(model, (3, 96, 96)) == (36, 36)


def test_it_comes_back_from_a_model() -> None:
    architecture = parse(TEXT)
    assert from_module(build(architecture), architecture.input) == architecture


def test_it_is_torchs() -> None:
    images = torch.randn(2, 3, 96, 96)
    first = build(parse(TEXT)).get_submodule("stages.c1.0")
    torch.testing.assert_close(first(images), torch.nn.functional.pixel_unshuffle(images, 4))


@pytest.mark.parametrize("text", ["BR.3x30x32.5/u4-c8/fc", "BR/u1-c8/fc", "BR/u0-c8/fc"])
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ArchitectureError, match=r"does not divide a map of 30x32|must be 2 or more"):
        parse(text)


def test_its_word() -> None:
    assert Unshuffle.read("u2", 3, "BR") == Unshuffle(factor=2)
    assert Unshuffle.read("u2:N", 3, "BR") is None
