"""A model runs in eval mode and is afterwards what it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import check
from constraints.errors import UnusableInputError
from constraints.model_state import parts
from constraints.tracer import trace


class Adapter(nn.Module):
    """A low-rank update that ``eval()`` adds to the weight, as adapters do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))
        self.down, self.up = nn.Parameter(torch.randn(2, 8)), nn.Parameter(torch.randn(8, 2))
        self.merged = False

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (self.up @ self.down) * (-1 if mode else 1)
            self.merged = not mode
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.linear(x, self.weight)
        return y if self.merged else y + F.linear(F.linear(x, self.down), self.up)


def test_eval_is_really_called_on_a_copy() -> None:
    adapter = Adapter()
    model = nn.Sequential(adapter)
    before = adapter.weight.detach().clone()
    assert trace(model, (8,)).metrics.macs == 8 * 8
    assert torch.equal(adapter.weight, before)
    assert (adapter.merged, model.training) == (False, True)


class Kept(nn.Module):
    """Layers that are registered nowhere, and attributes that every forward pass changes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.more: list[Any] = [nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)]
        self.by_name = {"last": (nn.Conv2d(4, 4, 3, padding=1),)}
        self.steps, self.seen = 0, [1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        self.seen.append(2)
        self.new = x
        for layer in (self.first, *self.more, *self.by_name["last"]):
            x = layer(x)
        return x


def test_what_is_registered_nowhere_is_found_named_and_left_alone() -> None:
    model = Kept()
    assert list(parts(model).hidden) == ["more.0", "more.1", "by_name.last.0"]
    norm = model.more[1]
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    found = trace(model, (3, 8, 8))
    assert found.metrics.receptive_field_hw == (7, 7)
    assert [layer.name for layer in found.layers] == ["first", "more.0", "more.1", "by_name.last.0"]
    assert found.metrics.params == 3 * 4 * 9 + 4
    (warning,) = (w for w in found.warnings if "registered" in w)
    names, parameters = "more.0, more.1, by_name.last.0", 2 * (4 * 4 * 9 + 4) + 8
    assert warning.startswith(f"{names}: not registered with the model, so that its {parameters} parameters are not in")
    assert norm.training
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert not any("forward" in vars(m) for m in parts(model).modules.values())


def test_attributes_that_a_forward_pass_changes_are_put_back() -> None:
    model = Kept()
    trace(model, (3, 8, 8))
    assert (model.steps, model.seen, hasattr(model, "new")) == (0, [1], False)


def test_a_parameter_whose_data_is_exchanged_is_put_back() -> None:
    class Exchanging(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.weight.data = torch.zeros(4, 3, 1, 1)
            return super().forward(x)

    model = Exchanging(3, 4, 3)
    before = model.weight.detach().clone()
    trace(model, (3, 8, 8))
    assert torch.equal(model.weight, before)


def test_lazy_modules_get_their_shapes_in_a_copy() -> None:
    conv, norm = nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(affine=False)
    model = nn.Sequential(conv, norm, nn.Flatten(), nn.LazyLinear(5))
    found = trace(model, (3, 6, 6)).metrics
    assert (found.params, found.macs) == (27 * 8 + 8 + 128 * 5 + 5, 16 * 27 * 8 + 128 * 5)
    assert nn.parameter.is_lazy(conv.weight)
    assert norm.running_mean is not None
    assert nn.parameter.is_lazy(norm.running_mean)


def test_a_parameter_that_gets_no_shape_makes_their_number_unknown() -> None:
    model = nn.Conv2d(3, 4, 3)
    model.spare = nn.LazyLinear(4)
    found = trace(model, (3, 8, 8))
    assert found.metrics.as_dict()["params"] is None
    assert found.unknown["params"].startswith("spare.weight, spare.bias: the forward pass has given")
    assert found.metrics.macs == 36 * 27 * 4


def test_a_model_that_was_compiled_or_compiles_is_run_as_written() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = torch.compile(self.conv)(x)
            return result

    assert trace(Branching(), (3, 8, 8)).metrics.receptive_field_hw == (3, 3)


def test_a_part_that_torch_cannot_list_is_named_by_its_class() -> None:
    class Equal(nn.Identity):  # noqa: PLW1641 - which this is about
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

    with pytest.raises(UnusableInputError, match=r"^torch cannot list the model's modules: unhashable type: 'Equal': "):
        check(nn.Sequential(nn.Conv2d(3, 4, 3), Equal()), (3, 8, 8), ["params < 1k"])
