import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import trace
from tests.constraints.written import Written


class Model(nn.Module):
    """A convolution of kernel 3, a buffer, and a forward pass to be given."""

    def __init__(self, run: Callable[["Model", torch.Tensor], Any]) -> None:
        super().__init__()
        self.run = run
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 2, 3, padding=1)
        self.register_buffer("seen", torch.zeros(1, 6, 8, 8))

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(self, x)


def field(model: nn.Module) -> Any:
    return trace(model, (3, 8, 8)).metrics.receptive_field_hw


def test_a_model_may_take_gradients_in_its_forward_pass() -> None:
    def slopes(model: Model, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            y = model.body(x.detach().requires_grad_())
            (slope,) = torch.autograd.grad(y.sum(), model.body.weight)
        return model.last(y.detach() + slope.mean())  # type: ignore[no-any-return]

    assert trace(Model(slopes), (3, 8, 8)).layers[0].receptive_field == (3, 3)


def test_composite_operations_in_inference_mode_and_without_it_are_the_same() -> None:
    def plain(model: Model, x: torch.Tensor) -> Any:
        return model.last(nn.functional.batch_norm(model.body(x), torch.zeros(4), torch.ones(4)))

    @torch.inference_mode()
    def quick(model: Model, x: torch.Tensor) -> Any:
        return plain(model, x)

    assert trace(Model(plain), (3, 8, 8)).layers == trace(Model(quick), (3, 8, 8)).layers


def test_what_is_written_to_a_slice_of_a_buffer_is_followed() -> None:
    def keep(model: Model, x: torch.Tensor) -> Any:
        seen = model.get_buffer("seen")
        seen[:, 2:] = model.body(x)
        return model.last(seen[:, 2:])

    model = Model(keep)
    assert field(model) == (5, 5)
    assert not model.get_buffer("seen").any()


@pytest.mark.parametrize("name", ["buffer", "parameter", "outside"])
def test_no_tensor_that_outlives_the_run_is_marked(name: str) -> None:
    outside = torch.ones(4, 1, 1)

    def use(model: Model, x: torch.Tensor) -> Any:
        model.get_buffer("seen").add_(x.mean())
        outside.mul_(1)
        return model.last(model.body(x) * outside) + model.get_buffer("seen").mean()

    model = Model(use)
    trace(model, (3, 8, 8))
    tensors = {"buffer": model.get_buffer("seen"), "parameter": model.body.weight, "outside": outside}
    assert not vars(tensors[name])


def test_a_view_in_place_gives_a_tensor_another_shape() -> None:
    def turned(model: Model, x: torch.Tensor) -> Any:
        y = model.body(x)
        y.transpose_(2, 3)
        y.squeeze_(0).unsqueeze_(0)
        return model.last(y)

    found = trace(Model(turned), (3, 8, 6))
    assert found.output == (2, 6, 8)
    assert found.metrics.receptive_field_hw == (5, 5)


def test_a_tensor_kept_from_an_earlier_run_is_a_constant() -> None:
    kept: list[torch.Tensor] = []

    def remembering(model: Model, x: torch.Tensor) -> Any:
        y = model.body(x)
        kept.append(y)
        return model.last(y * kept[0])

    model = Model(remembering)
    assert field(model) == field(model) == (5, 5)
    assert kept[0].requires_grad is False


def test_a_model_without_values_may_make_numbers() -> None:
    conv = nn.Conv2d(3, 4, 3, device="meta")
    found = trace(Written(lambda m, x: m.conv(x) * torch.tensor(0.5, device=x.device), conv=conv))
    assert found.metrics.receptive_field == 3


def test_lists_of_tensors_and_scalars_read_from_them() -> None:
    def mixed(model: Model, x: torch.Tensor) -> Any:
        parts = torch.chunk(model.body(x), 2, dim=1)
        y = torch.cat([parts[1], parts[0]], 1)
        return model.last(y if math.isfinite(float(y.sum())) else x)

    assert field(Model(mixed)) == (5, 5)
