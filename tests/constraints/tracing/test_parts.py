"""Tensors put together of parts, by writes and by concatenation: what the whole sees, and what a slice of it sees."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import Trace, trace
from tests.constraints.written import Written

Run = Callable[[Any, torch.Tensor], Any]


def conv(kernel: int) -> nn.Conv2d:
    return nn.Conv2d(3, 4, kernel, padding=kernel // 2)


def traced(run: Run, size: tuple[int, ...] = (3, 32, 32), **parts: nn.Module) -> Trace:
    parts = parts or {"a": conv(3), "b": conv(9), "c": nn.Conv2d(4, 4, 3, padding=1)}
    return trace(Written(run, **parts), size)


def field(run: Run) -> tuple[int, ...] | None:
    return traced(run).metrics.receptive_field_hw


def channels(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    y[:, 2:] = m.b(x)[:, 2:]
    return y


def every_other_channel(m: Any, x: torch.Tensor) -> Any:
    y = m.b(x)
    y[:, ::2].copy_(m.a(x)[:, ::2])
    return y


def all_channels(m: Any, x: torch.Tensor) -> Any:
    y, z = m.b(x), m.a(x)  # of the wide map nothing is left
    y[:, :2] = z[:, :2]
    y[:, 2:] = z[:, 2:]
    return y


def zeroed(m: Any, x: torch.Tensor) -> Any:
    y = torch.cat([m.a(x), m.b(x)], 1)
    y[:, 4:] = 0
    return y


def by_index(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    y[:, [0, 3]] = m.b(x)[:, [1, 2]]
    return y


def scattered(m: Any, x: torch.Tensor) -> Any:
    return torch.slice_scatter(m.a(x), m.b(x)[:, :2], 1, 0, 2)


def one_channel(m: Any, x: torch.Tensor) -> Any:
    return torch.select_scatter(m.a(x), m.b(x)[:, 0], 1, 3)


NARROW: list[Run] = [all_channels, zeroed]
WIDE: list[Run] = [channels, every_other_channel, by_index, scattered, one_channel]


@pytest.mark.parametrize(("run", "size"), [*((run, 3) for run in NARROW), *((run, 9) for run in WIDE)])
def test_a_write_to_some_channels_joins_what_is_left_of_the_others(run: Run, size: int) -> None:
    assert field(run) == (size, size)


def interlaced(m: Any, x: torch.Tensor) -> Any:
    p, q = m.a(x), m.b(x)
    y = torch.zeros_like(p)
    y[:, :, ::2] = p[:, :, ::2]
    y[:, :, 1::2] = q[:, :, 1::2]
    return y


def two_pieces(m: Any, x: torch.Tensor) -> Any:
    y = x.new_zeros(1, 4, 32, 32)
    y[..., :20] = m.a(x)[..., :20]
    y[..., 20:] = m.b(x)[..., 20:]
    return y


def inner_box(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    y[:, :, 8:24, 8:24] = m.b(x)[:, :, 8:24, 8:24]
    return y


def row_by_row(m: Any, x: torch.Tensor) -> Any:
    p, q = m.a(x), m.b(x)
    y = torch.empty_like(p)
    for i in range(32):
        y[:, :, i] = (q if i % 2 else p)[:, :, i]
    return y


def rows_in_a_row(m: Any, x: torch.Tensor) -> Any:
    p, q = m.a(x), m.b(x)
    return torch.cat([(q if i % 2 else p)[:, :, i : i + 1] for i in range(32)], 2)


def rows_stacked(m: Any, x: torch.Tensor) -> Any:
    return torch.stack([row * 2 for row in m.b(x).unbind(2)], 2)


@pytest.mark.parametrize("run", [two_pieces, inner_box, rows_stacked])
def test_pieces_of_two_maps_see_each_what_their_own_map_sees(run: Run) -> None:
    assert field(run) == (9, 9)  # the wider kernel's units are inside the map
    assert field(lambda m, x: m.c(run(m, x))) == (11, 11)  # beside a unit of the wider kernel, one pixel more


@pytest.mark.parametrize("run", [interlaced, row_by_row, rows_in_a_row])
def test_rows_that_take_turns_are_known_where_they_see_the_same_columns(run: Run) -> None:
    assert field(run) is None  # 3 or 9 columns, and a stride over rows may leave either out
    tall = traced(run, a=conv(3), b=nn.Conv2d(3, 4, (9, 3), padding=(4, 1)))
    assert tall.metrics.receptive_field_hw == (9, 3)


def test_of_interlaced_rows_a_stride_takes_some() -> None:
    def every_other(m: Any, x: torch.Tensor) -> Any:
        return interlaced(m, x)[:, :, ::2]

    tall = traced(every_other, a=conv(3), b=nn.Conv2d(3, 4, (9, 3), padding=(4, 1)))
    assert tall.metrics.receptive_field_hw == (3, 3)


def test_rows_that_were_written_one_by_one_are_a_map_also_where_two_such_maps_are_joined() -> None:
    def joined(m: Any, x: torch.Tensor) -> Any:
        return m.d(torch.cat([row_by_row(m, x), rows_stacked(m, x)], 1))

    found = traced(joined, a=conv(3), b=nn.Conv2d(3, 4, (9, 3), padding=(4, 1)), d=nn.Conv2d(8, 4, 3, padding=1))
    assert found.metrics.receptive_field_hw == (11, 5)


def test_maps_that_are_laid_side_by_side_are_no_map_of_the_input() -> None:
    found = traced(lambda m, x: torch.cat([m.a(x), m.a(x).flip(3)], 3).mean((2, 3)))
    why = "cat: maps laid side by side along a spatial axis"
    assert (found.unknown["receptive_field"], found.warnings[0]) == (why, why)
    assert found.metrics.receptive_field_hw is None
    assert found.metrics.global_average_pools == 1


def test_the_pieces_of_one_map_are_that_map_again() -> None:
    assert field(lambda m, x: torch.cat(m.b(x).split(8, 2), 2)) == (9, 9)
    assert field(lambda m, x: m.c(torch.cat(m.b(x).split(8, 2), 2))) == (11, 11)


def test_a_border_that_wraps_around_is_left_aside() -> None:
    def padded(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        return m.c(torch.cat([y[:, :, -1:], y, y[:, :, :1]], 2))

    assert field(padded) == (5, 5)


@pytest.mark.parametrize("between", [lambda y: y, torch.relu, lambda y: y * 2 + y])
def test_a_slice_of_joined_channels_sees_what_it_holds(
    between: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    def first(m: Any, x: torch.Tensor) -> Any:
        return m.c(between(torch.cat([m.a(x), m.b(x)], 1))[:, :4])

    assert field(first) == (5, 5)


def test_parts_are_kept_through_what_treats_channels_apart() -> None:
    def pooled(m: Any, x: torch.Tensor) -> Any:
        y = torch.cat([m.a(x), m.b(x)], 1)
        y = torch.max_pool2d(y, 2) + torch.max_pool2d(y.flip(1), 2)
        y = torch.nn.functional.avg_pool2d(y, 3, 2)
        return y[:, :4]

    # max pooling makes 3 to 4 and 9 to 10; channel 0 of the sum has both; 3 units two pixels apart: 10 + 4
    assert field(pooled) == (14, 14)

    def apart(m: Any, x: torch.Tensor) -> Any:
        y = torch.max_pool2d(torch.cat([m.a(x), m.b(x)], 1), 2)
        return torch.nn.functional.avg_pool2d(y, 3, 2)[:, :4]

    assert field(apart) == (8, 8)


def test_a_part_of_a_depthwise_convolution_is_one_too() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.depthwise = nn.Conv2d(24, 24, 1, groups=24)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.nn.functional.pixel_unshuffle(x, 2)
            return torch.nn.functional.pixel_shuffle(self.depthwise(torch.cat([y, 2 * y], 1))[:, :12], 2)

    assert trace(Patches(), (3, 8, 8)).metrics.receptive_field == 1  # each channel is one pixel of a patch


def test_a_coupling_of_halves_adds_up_half_by_half() -> None:
    def coupled(m: Any, x: torch.Tensor) -> Any:
        a, b = m.a(x).chunk(2, 1)
        y = torch.cat([a, b + torch.nn.functional.avg_pool2d(a, 5, 1, 2)], 1)
        a, b = y.chunk(2, 1)
        return torch.cat([torch.nn.functional.avg_pool2d(a, 3, 1, 1), a], 1)

    assert field(coupled) == (5, 5)  # a sees 3, averaged 5; b, which sees 7, is dropped


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_circular_border_is_written_in_turns_and_leaves_nothing_unknown(dims: int, kernel: int) -> None:
    """The corners of new memory are copied before they are written to, and then written over."""
    conv = nn.Conv1d if dims == 1 else nn.Conv2d
    network = nn.Sequential(conv(3, 4, 1), conv(4, 4, kernel, padding=1, padding_mode="circular"))
    found = trace(network, (3, *[16] * dims))
    assert found.metrics.receptive_field_hw == (kernel,) * dims
    assert found.warnings == ()


@pytest.mark.parametrize("how", ["view", "half", "copied"])
def test_memory_that_was_never_written_to_is_named_where_it_is_only_handed_on(how: str) -> None:
    class Blank(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            y = x.new_empty(x.shape)
            if how == "half":
                y[:, :, :5] = x[:, :, :5]
            return torch.zeros_like(x).copy_(y) if how == "copied" else y[:, :2]

    found = trace(Blank(), (3, 16, 16))
    reason = "new_empty: memory that no recorded operation wrote to"
    assert found.metrics.receptive_field is None
    assert found.unknown["receptive_field"] == reason
    assert reason in found.warnings
