"""What a finished run leaves unknown, and the warnings about it."""

from typing import Any

import torch
from torch import nn

from constraints.metrics import Metrics
from constraints.tracer import trace
from tests.constraints.written import Written


def test_a_model_without_a_map_says_so() -> None:
    found = trace(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2))
    assert found.metrics.convs == 0
    plain = trace(nn.Linear(5, 2), (5,))
    assert plain.unknown["receptive_field"] == "no map with spatial axes leads from the input to the output"
    assert (plain.metrics.receptive_field, plain.metrics.downsampled_by) == (None, None)


def test_an_unknown_operation_before_the_end_leaves_the_field_unknown_and_the_counts_known() -> None:
    model = Written(lambda m, x: m.c(torch.cumsum(x, 2)), c=nn.Conv2d(3, 4, 3))
    found = trace(model, (3, 8, 8))
    assert {"receptive_field", "receptive_field_hw", "downsampled_by"} <= set(found.unknown)
    assert (found.metrics.convs, found.metrics.macs) == (1, 4 * 36 * 27)
    assert all(getattr(found.metrics, name) is None for name in found.unknown)


def test_parameters_that_nothing_uses_are_warned_of_and_counted() -> None:
    model = Written(lambda m, x: m.a(x), a=nn.Conv2d(3, 4, 1), spare=nn.Linear(2, 3))
    found = trace(model, (3, 8, 8))
    assert found.warnings == tuple(f"spare.{n}: never used by the forward pass" for n in ("weight", "bias"))
    assert found.metrics.params == (12 + 4) + (6 + 3)


def quarters(y: torch.Tensor) -> list[torch.Tensor]:
    """The four corners of a map, which together are all of it."""
    return [part for half in y.chunk(2, 2) for part in half.chunk(2, 3)]


def test_what_an_average_makes_known_again_is_no_warning() -> None:
    """The mean of the means of all corners is the mean of the map: one global pool, of a field of 3 by 3 pixels."""
    parts = {"conv": nn.Conv2d(3, 4, 3, padding=1), "linear": nn.Linear(4, 2)}
    means = Written(lambda m, x: m.linear(torch.stack([q.mean((2, 3)) for q in quarters(m.conv(x))]).mean(0)), **parts)
    found = trace(means, (3, 8, 8))
    assert (found.metrics.global_average_pools, found.metrics.receptive_field_hw) == (1, (3, 3))
    assert found.unknown == {}
    assert found.warnings == ()


def test_a_convolution_whose_own_field_is_unknown_is_warned_of_though_every_metric_is_known() -> None:
    """A branch that does not reach the output."""

    def forward(m: Any, x: Any) -> Any:
        m.aside(torch.cumsum(x, 2))
        return m.conv(x)

    model = Written(forward, conv=nn.Conv2d(3, 4, 3), aside=nn.Conv2d(3, 4, 1))
    found = trace(model, (3, 8, 8))
    assert (found.unknown, found.metrics.receptive_field_hw) == ({}, (3, 3))
    (warning,) = found.warnings
    assert warning.startswith("cumsum: ")
    assert warning.endswith("it makes only the receptive field of aside unknown")


def test_rotated_copies_in_one_batch_are_warned_of_for_their_layers_alone() -> None:
    """Turned back and added, both see 3 by 3 pixels."""

    def forward(m: Any, x: Any) -> Any:
        y = m.conv(torch.cat([x, x.rot90(1, (2, 3))]))
        return y[:1] + y[1:].rot90(-1, (2, 3))

    found = trace(Written(forward, conv=nn.Conv2d(3, 4, 3, padding=1)), (3, 8, 8))
    assert (found.unknown, found.metrics.receptive_field_hw) == ({}, (3, 3))
    (warning,) = found.warnings
    assert warning.startswith("cat: ")
    assert warning.endswith("it makes only the receptive field of conv unknown")


MEMORY = {"peak_activation_bytes", "peak_activation_bytes_int8", "ram_bytes"}
PARAMETERS = {"params", "trainable_params", "weight_bytes", "weight_bytes_float16", "weight_bytes_int8", "flash_bytes"}


@torch.library.custom_op("unknown_metrics::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    """An operation that the trace does not know."""
    return 2 * x


def test_an_operation_that_may_contain_layers_leaves_only_memory_and_parameters_known() -> None:
    """So a metric that is added is unknown there too, unless it says what else it needs."""
    model = Written(lambda m, x: twice(m.c(x)).mean((2, 3)), c=nn.Conv2d(3, 4, 3))
    found = trace(model, (3, 8, 8))
    assert {name for name, value in found.metrics.as_dict().items() if value is not None} == MEMORY | PARAMETERS
    assert found.unknown.keys() == Metrics.definitions().keys() - MEMORY - PARAMETERS
