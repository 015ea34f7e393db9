"""The table of norms and activations: its letters, and that a new line of it goes all the way."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from constraints.tracer import trace
from nas.architecture import norm_act
from nas.architecture.codegen import source
from nas.architecture.errors import ArchitectureError
from nas.architecture.model import build
from nas.architecture.module_import import from_module
from nas.architecture.norm_act import TABLE, NormAct
from nas.architecture.spec import parse
from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector
from nas.space.space import load


@pytest.mark.parametrize(
    ("letters", "following"),
    [
        ("N", (False, ())),
        ("b", (True, ())),
        ("BR", (False, ("batch_norm", "relu"))),
        ("bHL", (True, ("hardswish", "layer_norm"))),
        ("T", (False, ("tanhexp",))),
    ],
)
def test_letters_read_and_written(letters: str, following: tuple[bool, tuple[str, ...]]) -> None:
    assert norm_act.read(letters) == following
    assert norm_act.write(*following) == letters


@pytest.mark.parametrize("letters", ["", "X", "BL", "RS", "bN", "Nb", "bb", "BRB", "r"])
def test_what_are_no_letters(letters: str) -> None:
    assert norm_act.read(letters) is None


@pytest.mark.parametrize(
    ("post", "message"),
    [
        (("swish",), "unknown layer after a convolution: 'swish': use batch_norm, layer_norm, relu, "),
        (("relu", "silu"), "after a convolution: relu-silu: at most one norm and one activation"),
        (("batch_norm", "layer_norm"), "after a convolution: batch_norm-layer_norm: at most one norm"),
    ],
)
def test_what_cannot_follow(post: tuple[str, ...], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        norm_act.check(post)


def test_every_letter_is_one_of_its_own() -> None:
    letters = [entry.letter for entry in TABLE.values()]
    assert len(set(letters)) == len(letters)
    assert all(letter.isupper() and letter != "N" for letter in letters)
    assert norm_act.norms() == [name for name, entry in TABLE.items() if entry.params]


MISH = "BM/c8-c16s2/+dw.gl16:bLM.pw16:MB-c16:M-c16s2/mx3_5/fc"


@pytest.fixture
def mish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, "mish", NormAct(letter="M", module="nn.Mish"))


@pytest.mark.usefixtures("mish")
def test_a_new_activation_is_one_line_for_text_module_and_metrics() -> None:
    architecture = parse(MISH)
    assert str(architecture) == MISH
    model = build(architecture)
    assert sum(isinstance(module, nn.Mish) for module in model.modules()) == 8  # one a convolution
    assert metrics(architecture).as_dict() == trace(model, (3, 32, 32)).metrics.as_dict()
    assert from_module(model) == architecture


@pytest.mark.usefixtures("mish")
def test_a_new_activation_is_one_line_for_exported_source() -> None:
    names: dict[str, type[nn.Module]] = {}
    exec(source(parse(MISH)), names)
    made, trained = names["Net"]().eval(), build(parse(MISH)).eval()
    made.load_state_dict(trained.state_dict(), strict=True)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(made(images), trained(images))


@pytest.mark.usefixtures("mish")
def test_a_new_activation_is_one_line_for_a_space() -> None:
    base = load("tiny")
    space = type(base).model_validate({**base.model_dump(), "activations": ["mish"]})
    choices = {name: values[0] for name, values in space.parameters.items()}
    architecture = space.decode(choices)
    assert str(architecture).startswith("BM/")
    vector = Vector(space)
    found = vector.metrics(vector.encode([choices]))
    assert found["peak_activation_bytes"][0] == trace(build(architecture), (3, 32, 32)).metrics.peak_activation_bytes
