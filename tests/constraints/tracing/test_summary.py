"""Metrics of a finished run: the peak of memory, and the layers that are responsible for each."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from constraints.tracer import trace
from constraints.tracing.memory_sums import peak_bytes
from constraints.tracing.values import Storage


@pytest.mark.parametrize(
    ("lives", "peak"),
    [
        ([], 0),
        ([(5, 0, 0)], 5),
        ([(5, 0, 1), (7, 1, 2)], 12),  # an operation holds its input and its output together
        ([(5, 0, 1), (7, 2, 3)], 7),
        ([(5, 0, 3), (7, 1, 2), (4, 2, 3)], 16),
        ([(5, 0, 1), (7, 1, 3), (9, 3, 3)], 16),
    ],
)
def test_the_peak_of_tensors_alive_at_once(lives: list[tuple[int, int, int]], peak: int) -> None:
    assert peak_bytes([Storage(*life) for life in lives], 3) == peak


@pytest.mark.parametrize(("last", "peak"), [(1, 5), (2, 5 + 7)])
def test_a_side_result_counts_where_something_reads_it(last: int, peak: int) -> None:
    assert peak_bytes([Storage(5, 0, 2), Storage(7, 1, last, is_auxiliary=True)], 3) == peak


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_peak_is_the_largest_sum_over_all_moments(lives: list[tuple[int, int, int]]) -> None:
    spans = [(size, min(a, b), max(a, b)) for size, a, b in lives]
    moments = [sum(size for size, born, last in spans if born <= now <= last) for now in range(10)]
    assert peak_bytes([Storage(*span) for span in spans], 9) == max(moments)


def test_a_chain_holds_the_input_and_output_of_one_layer() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1), nn.ReLU(inplace=True), nn.Conv2d(6, 1, 1))
    assert trace(model, (3, 5, 5)).metrics.peak_activation_bytes == 4 * 25 * (4 + 6)
    half = model.to(torch.float64)
    assert trace(half, (3, 5, 5)).metrics.peak_activation_bytes == 4 * 25 * (4 + 6)  # in float32, whatever it is in


@pytest.mark.parametrize(("stride", "side", "ratio"), [(1, 8, 1), (2, 8, 2), (3, 9, 3), (3, 8, 8 / 3), (2, 7, 7 / 4)])
def test_the_map_is_so_many_times_smaller(stride: int, side: int, ratio: float) -> None:
    found = trace(nn.Conv2d(3, 4, 3, stride, padding=1), (3, side, side)).metrics.downsampled_by
    assert found == (ratio, ratio)
    assert found is not None
    assert {type(one) for one in found} == {int if ratio == int(ratio) else float}


def test_layers_behind_a_metric_are_named() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4), nn.Conv2d(4, 8, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    found = trace(model, (3, 8, 8)).responsible
    assert found["receptive_field"] == ("2",)
    assert (found["convs"], found["stages"], found["convs_per_stage"]) == (("0", "1", "2"), ("0",), ("0", "1", "2"))
    assert found["dilated_convs"] == found["depthwise_convs"] == found["depthwise_separable_convs"] == ("1",)
    assert (found["global_average_pools"], found["max_pools"], found["fully_connected"]) == (("3",), (), ("5",))


def test_without_constraints_on_them_strides_alone_are_behind_the_stages() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, dilation=2), nn.Conv2d(4, 4, 3, stride=2))
    assert trace(model, (3, 16, 16)).responsible["stages"] == ("2",)
