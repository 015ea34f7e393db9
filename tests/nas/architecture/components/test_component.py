"""Convolutions as the metrics see them, and that a new kind of component is one class and one entry of KINDS."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Self

import pytest
import torch
from torch import nn

from constraints.tracer import trace
from nas.architecture import components
from nas.architecture.calls import ModuleCall
from nas.architecture.codegen import source
from nas.architecture.components import Component, Convolution, Peak, Shape
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.space.analytic import metrics


def test_one_channel_is_no_depthwise() -> None:
    assert not Convolution(1, 3, 1, 1, 1).is_depthwise
    assert Convolution(2, 3, 1, 1, 2).is_depthwise
    assert Convolution(8, 1, 1, 1, 1).is_pointwise
    assert not Convolution(8, 1, 1, 1, 2).is_pointwise
    assert not Convolution(8, 3, 1, 1, 1).is_pointwise


@dataclass(frozen=True, kw_only=True)
class Clip(Component):
    """Values clipped from above and below: ``clip6``."""

    limit: int

    @classmethod
    def read(cls, word: str, channels: int, usual: str) -> Self | None:
        return cls(limit=int(word[4:])) if word[:4] == "clip" and word[4:].isdigit() else None

    def write(self, channels: int, usual: str) -> str:
        return f"clip{self.limit}"

    def call(self, channels: int) -> ModuleCall:
        return ModuleCall("nn.Hardtanh", (-self.limit, self.limit))

    def params(self, channels: int) -> int:
        return 0

    def macs(self, shape: Shape) -> int:
        return 0

    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        return Peak(prod(before) + prod(after))


CLIPPED = "BR/c8-c16s2/+dw.clip2.pw16:B-clip6-c16s2/c16/fc"


@pytest.fixture
def clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "KINDS", (*components.KINDS, Clip))


@pytest.mark.usefixtures("clip")
def test_a_new_kind_has_words_a_module_and_metrics() -> None:
    architecture = parse(CLIPPED)
    assert architecture.stages[1][1].components == (Clip(limit=6),)
    assert (str(architecture), Clip(limit=6).kind(16)) == (CLIPPED, "clip")
    model = build(architecture)
    assert sum(isinstance(module, nn.Hardtanh) for module in model.modules()) == 2
    assert metrics(architecture).as_dict() == trace(model, (3, 32, 32)).metrics.as_dict()


@pytest.mark.usefixtures("clip")
def test_a_new_kind_has_exported_source() -> None:
    names: dict[str, type[nn.Module]] = {}
    exec(source(parse(CLIPPED)), names)
    made, trained = names["Net"]().eval(), build(parse(CLIPPED)).eval()
    made.load_state_dict(trained.state_dict(), strict=True)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(made(images), trained(images))
