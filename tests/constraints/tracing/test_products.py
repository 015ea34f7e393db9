"""Matrix products: what they cost, and what their results see."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.metrics import Metrics
from constraints.tracer import Trace, trace
from tests.constraints.tracing.known import CONV, known, sizes
from tests.constraints.written import Written

Run = Callable[[Any, torch.Tensor], torch.Tensor]


def traced(run: Run, **parts: nn.Module) -> Trace:
    return trace(Written(run, **parts), (4, 8, 8))


def figures(run: Run, **parts: nn.Module) -> Metrics:
    return traced(run, **parts).metrics


def conv(kernel: int) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, padding=kernel // 2)


def test_products_cost_their_rows_times_their_columns_times_what_is_summed() -> None:
    found = traced(lambda m, x: m.l(x.mean((2, 3))), l=nn.Linear(4, 7)).layers[-1]
    assert (found.op, found.macs, found.params) == ("linear", 4 * 7, 4 * 7 + 7)
    gram = traced(lambda m, x: x.flatten(2) @ x.flatten(2).transpose(1, 2)).layers[-1]
    assert (gram.op, gram.output, gram.macs) == ("matmul", (4, 4), 4 * 4 * 64)


def test_a_linear_layer_is_a_product_with_what_was_there_before_the_run() -> None:
    def count(weight: Callable[[Any], torch.Tensor]) -> int | None:
        held: Any = [torch.ones(3, 4)]  # registered nowhere, as the weights of a frozen script
        return figures(lambda m, x: F.linear(x.mean((2, 3)), weight(m)), held=held).fully_connected

    assert count(lambda m: m.held[0]) == 1
    assert count(lambda m: 2 * m.held[0]) == 1
    assert count(lambda m: torch.ones(3, 4)) == 0
    assert figures(lambda m, x: x.mean((2, 3)).mT @ x.mean((2, 3))).fully_connected == 0


def test_attention_costs_two_products() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        q = x.flatten(2).transpose(1, 2)[:, None]  # 64 places of 4 channels
        return F.scaled_dot_product_attention(q, q, q)

    found = traced(run)
    assert found.metrics.macs == 64 * 64 * 4 + 64 * 64 * 4
    assert found.metrics.global_context is True


def test_a_linear_layer_over_channels_sees_its_place_and_one_over_the_map_all() -> None:
    places = traced(lambda m, x: m.l(m.a(x).permute(0, 2, 3, 1)), a=conv(3), l=nn.Linear(4, 6))
    assert places.layers[-1].receptive_field == (3, 3)
    flat = traced(lambda m, x: m.l(m.a(x).flatten(1)), a=conv(3), l=nn.Linear(4 * 64, 6))
    assert flat.layers[-1].receptive_field is None
    assert flat.metrics.fully_connected == 0  # no global pool comes before it


def test_a_pool_beside_a_linear_layer_over_the_other_axis_leaves_the_field_unknown() -> None:
    found = traced(lambda m, x: m.mix(m.a(x)).mean((2, 3)), a=conv(3), mix=nn.Linear(8, 8))
    assert found.metrics.receptive_field is None
    assert found.metrics.global_average_pools == 1
    assert "with its own weights" in found.unknown["receptive_field"]


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: m.a(x) + m.rows(m.a(x)),  # as mixers do
        lambda m, x: m.b(m.a(x) * m.rows(m.a(x))),
        lambda m, x: m.b((m.a(x).flatten(2) + m.places(m.a(x).flatten(2))).view(1, 4, 8, 8)),
        lambda m, x: m.b(torch.cat([m.a(x)[:, :2], m.rows(m.a(x))[:, 2:]], 1)),
    ],
)
def test_what_a_linear_layer_makes_of_all_places_has_no_field_that_a_map_could_have_with_it(run: Run) -> None:
    found = traced(run, a=conv(3), b=conv(3), rows=nn.Linear(8, 8), places=nn.Linear(64, 64))
    assert found.metrics.receptive_field is None
    assert "each place sees all others" in found.unknown["receptive_field"]


def test_distances_see_and_cost_what_a_product_does() -> None:
    """Of 64 places to 5 entries of 3 numbers each; of the places of a map to each other, as in an attention."""
    entries = nn.Parameter(torch.rand(5, 3))
    found = known(lambda m, x: torch.cdist(m.a(x).flatten(2).transpose(1, 2), m.entries), a=CONV, entries=entries)
    assert (sizes(found), found.calls[-1].macs, found.outcomes.hidden) == ([3, 3], 64 * 5 * 3, {})

    def between(m: Any, x: torch.Tensor) -> Any:
        places = m.a(x).flatten(2).transpose(1, 2)
        return torch.cdist(places, places).neg().softmax(-1) @ places

    assert sizes(known(between, a=CONV)) == [3, 3]
    behind = known(lambda m, x: torch.cdist(m.a(x).mean((2, 3)), m.entries), a=CONV, entries=entries)
    assert behind.calls[-1].macs == 5 * 3
