"""Channels that see different places, and where they are after they were moved.

The map is that of a 3x3 convolution beside its copy, rolled by three rows: rows -1 to 1 and -4 to -2 around a place.
So a 3x3 convolution of channels of one of them sees 5 rows, of both 8.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.trace import trace
from tests.constraints.written import Written

Move = Callable[[Any, torch.Tensor], torch.Tensor]
ONE, BOTH = (5, 5), (8, 5)


def behind(move: Move) -> Any:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        moved = move(m, torch.cat([y, y.roll(3, 2)], 1))
        return F.conv2d(moved, torch.ones(2, moved.shape[1], 3, 3), padding=1)

    return trace(
        Written(
            run, a=nn.Conv2d(3, 4, 3, padding=1), first=nn.Buffer(torch.tensor([3, 1, 0])),
            mixed=nn.Buffer(torch.tensor([3, -1])),
            groups=nn.Conv2d(8, 8, 1, groups=2), wide=nn.Conv2d(8, 4, 3, padding=1, groups=4), all=nn.Conv2d(8, 8, 1),
        ),
        (3, 24, 24),
    )  # fmt: skip


def interleaved(x: torch.Tensor) -> torch.Tensor:
    """Both maps in turn: a channel shuffle of two groups."""
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


@pytest.mark.parametrize(
    ("move", "field"),
    [
        (lambda m, t: t.permute(0, 2, 3, 1)[..., :4].permute(0, 3, 1, 2), ONE),
        (lambda m, t: t.transpose(1, 3)[..., 4:].transpose(1, 3), ONE),
        (lambda m, t: t.permute(0, 2, 3, 1)[..., 3:5].permute(0, 3, 1, 2), BOTH),
        (lambda m, t: t.flip(1)[:, :4], ONE),
        (lambda m, t: t.flip(1, 3)[:, 4:], ONE),
        (lambda m, t: t.flip(1)[:, 3:5], BOTH),
        (lambda m, t: t.roll(2, 1)[:, 2:6], ONE),
        (lambda m, t: t.roll((2, 1), (1, 3))[:, 2:6], (5, 5)),
        (lambda m, t: t.roll(2, 1)[:, :4], BOTH),
        (lambda m, t: t.roll(1, 3)[:, :4], ONE),
        (lambda m, t: t.flip(3)[:, :4], ONE),
        (lambda m, t: interleaved(t)[:, ::2], ONE),
        (lambda m, t: interleaved(t)[:, 1::2], ONE),
        (lambda m, t: interleaved(t)[:, :4], BOTH),
        (lambda m, t: interleaved(interleaved(t)[:, ::2].repeat(1, 2, 1, 1))[:, :2], ONE),
        (lambda m, t: F.channel_shuffle(t, 2)[:, ::2], ONE),
        (lambda m, t: F.pixel_shuffle(t, 2)[:, :, ::2], (8, 4)),  # three columns of two units each are in two or three
        (lambda m, t: F.pixel_shuffle(t, 2)[:, 1:], (4, 4)),
        (lambda m, t: F.pad(t, (0, 0, 0, 0, 1, 1))[:, :5], ONE),
        (lambda m, t: F.pad(t, (0, 0, 0, 0, 1, 1))[:, :6], BOTH),
        (lambda m, t: F.pad(t, (1, 1, 0, 0, -4, 2)), ONE),
        (lambda m, t: F.pad(t, (0, 0, 0, 0, -1, -4)), ONE),
        (lambda m, t: F.channel_shuffle(t, 4)[:, 1:3], BOTH),
        (lambda m, t: F.channel_shuffle(t, 4)[:, [0, 1, 4, 5]], ONE),
        (lambda m, t: t.view(1, 2, 2, 2, 24, 24)[:, :, 0].reshape(1, 4, 24, 24)[:, :2], ONE),
        (lambda m, t: t[:, m.first], ONE),
        (lambda m, t: t[:, m.mixed], BOTH),
        (lambda m, t: t.index_select(1, m.first), ONE),
        (lambda m, t: m.groups(t)[:, :4], ONE),
        (lambda m, t: m.groups(t)[:, 3:5], BOTH),
        (lambda m, t: m.wide(t)[:, :2], (7, 7)),
        (lambda m, t: m.wide(t)[:, 1:3], (10, 7)),
        (lambda m, t: m.all(t)[:, :4], BOTH),
        (lambda m, t: torch.stack([t, t.flip(1)], 1)[:, 1][:, 4:], ONE),
        (lambda m, t: torch.stack([t, t.flip(1)], 2)[:, 3:5].flatten(1, 2), BOTH),
        (lambda m, t: torch.stack([t, t.flip(1)]).flatten(0, 2)[8:12][None], ONE),
        (lambda m, t: torch.stack([t, t], -1)[..., 0][:, :4], ONE),
        (lambda m, t: torch.select_scatter(t[:, None].repeat(1, 2, 1, 1, 1), t, 1, 0)[:, 0, :4], ONE),
        (lambda m, t: torch.func.vmap(lambda y: torch.stack([y, y])[0])(t)[:, :4], ONE),
        (lambda m, t: t.expand(2, -1, -1, -1)[1:, :4], ONE),
        (lambda m, t: t.expand(2, -1, -1, -1)[1:, 3:5], BOTH),
        (lambda m, t: t[:, :, None].expand(-1, -1, 3, -1, -1).flatten(1, 2)[:, :12], ONE),
        (lambda m, t: torch.broadcast_to(t, (3, 1, 8, 24, 24))[2, :, 4:], ONE),
        (lambda m, t: t.repeat(1, 2, 1, 1)[:, 8:12], ONE),
        (lambda m, t: t.repeat(1, 2, 1, 1)[:, 4:12], BOTH),
        (lambda m, t: t.tile((2, 1, 1, 1))[1:, 4:], ONE),
        (lambda m, t: t.flip(1).repeat(2, 1, 2, 1, 1)[0][:, 12:], ONE),
        (lambda m, t: t.repeat_interleave(2, 1)[:, :8], ONE),
        (lambda m, t: t.repeat_interleave(2, 1)[:, 7:9], BOTH),
        (lambda m, t: torch.cat([t[:, None], t[:, None]], 1)[:, 1, :4], ONE),
        (lambda m, t: torch.hstack([t, t])[:, 8:12], ONE),
        (lambda m, t: F.adaptive_avg_pool2d(t, (24, 12))[:, :4], (5, 8)),
        (lambda m, t: F.avg_pool2d(interleaved(t), (1, 3), 1, (0, 1))[:, ::2], (5, 7)),
        (lambda m, t: F.avg_pool2d(interleaved(t), (1, 3), 1, (0, 1))[:, 3:5], (8, 7)),
        (lambda m, t: F.conv2d(interleaved(t), torch.ones(8, 1, 1, 3), padding=(0, 1), groups=8)[:, 1::2], (5, 7)),
        (lambda m, t: F.pad(torch.stack([t, t.roll(6, 2)], 1), (0, 0, 1, 0))[:, 1, :4], ONE),
        (lambda m, t: F.pad(torch.stack([t, t.roll(6, 2)], 1), (0, 0, 1, 0))[:, 0, 3:5], BOTH),
        (lambda m, t: F.pad(torch.stack([t, t.roll(6, 2)], 1), (0, 0, 1, 0))[:, :, :4].flatten(1, 2), (11, 5)),
    ],
)
def test_channels_see_what_their_own_part_sees_wherever_they_are(move: Move, field: tuple[int, int]) -> None:
    found = behind(move)
    assert found.metrics.receptive_field_hw == field, found.warnings


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (lambda m, t: t[:, torch.randperm(4)], "channels that see different places, picked by an index"),
        (
            lambda m, t: F.pixel_shuffle(F.channel_shuffle(t, 2), 2)[:, :, ::2],
            "channels that see different places become places of a map",
        ),
        (
            lambda m, t: t.permute(0, 2, 1, 3).reshape(1, 1, -1, 24)[:, :, ::8],
            "reshape: channels that see different places become places of a map",
        ),
    ],
)
def test_channels_that_cannot_be_followed_are_unknown(move: Move, why: str) -> None:
    found = behind(move)
    assert found.metrics.receptive_field_hw is None
    assert any(why in warning for warning in found.warnings)


@pytest.mark.parametrize("n", [2, 3])
def test_products_of_a_map_and_its_shifted_copies_are_channels(n: int) -> None:
    """A cost volume: shifts of up to n rows and columns; 3 + n pixels for each place, and 2 more behind a 3x3."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        padded = F.pad(y, (0, n, 0, n))
        rows, columns = range(n + 1), range(n + 1)
        products = [(y * padded[:, :, i : i + 24, j : j + 24]).mean(1) for i in rows for j in columns]
        return F.conv2d(torch.stack(products, 1), torch.ones(2, (n + 1) ** 2, 3, 3), padding=1)

    found = trace(Written(run, a=nn.Conv2d(3, 4, 3, padding=1)), (3, 24, 24))
    assert found.metrics.receptive_field_hw == (5 + n, 5 + n)


def of_two(run: Callable[[Any, torch.Tensor, torch.Tensor], Any], channels: int = 4, **parts: Any) -> Any:
    """The trace of a function of two maps: units of the first see 3x3 places, of the second 7x7."""
    a, b = nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(3, channels, 7, padding=3)
    return trace(Written(lambda m, x: run(m, m.a(x), m.b(x)), a=a, b=b, **parts), (3, 16, 16))


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (lambda m, a, b: torch.cat([a, b], 1).view(torch.int16).view(torch.float32), 7),
        (lambda m, a, b: torch.cat([a[:, :0], a, b], 1), 7),
        (lambda m, a, b: torch.cat(torch.split(torch.cat([a, b], 1), [0, 8], 1), 1)[:, :4], 3),
        (lambda m, a, b: torch.cat([a, b], 1).view(1, 4, 2, 16, 16).flip((1, 2)).reshape(1, 8, 16, 16)[:, :1], 7),
        (lambda m, a, b: torch.cat([a, b], 1).view(1, 4, 2, 16, 16).roll((1, 1), (1, 2)).flatten(1, 2)[:, :1], 7),
        (lambda m, a, b: torch.cat([a, b], 1).unsqueeze(2).squeeze(2)[:, :4], 3),
        (lambda m, a, b: torch.cat([a, b], 1).view(1, 8, 1, 16, 16).squeeze(2)[:, 4:], 7),
        (lambda m, a, b: m.split(torch.cat([a, b], 1))[:, :4], 3),
        (lambda m, a, b: m.split(torch.cat([a, b], 1))[:, 4:], 7),
        (lambda m, a, b: m.split(torch.cat([torch.ones_like(a), b], 1))[:, 4:], 7),
    ],
)
def test_a_part_that_moved_or_was_empty_has_its_own_field(run: Any, field: int) -> None:
    assert of_two(run, split=nn.Conv2d(8, 8, 1, groups=2)).metrics.receptive_field == field


def test_channels_in_an_order_of_more_parts_than_are_followed_have_the_field_of_all() -> None:
    order = nn.Buffer(torch.randperm(1024, generator=torch.Generator().manual_seed(0)))
    found = of_two(lambda m, a, b: torch.cat([a, b], 1)[:, m.order], 512, order=order)
    assert found.metrics.receptive_field == 7


def test_a_group_whose_kernel_is_masked_sees_less_than_the_size_of_it() -> None:
    mask = torch.ones(8, 4, 3, 3)
    mask[:, :, 0] = 0

    def run(m: Any, a: torch.Tensor, b: torch.Tensor) -> Any:
        return F.conv2d(torch.cat([a, b], 1), m.weight * m.mask, padding=1, groups=2)[:, :4]

    weight = nn.Parameter(torch.ones(8, 4, 3, 3))
    assert of_two(run, weight=weight, mask=nn.Buffer(mask)).metrics.receptive_field is None


def test_a_group_of_constants_adds_no_global_context() -> None:
    def run(m: Any, a: torch.Tensor, b: torch.Tensor) -> Any:
        return m.split(torch.cat([torch.ones_like(a), b], 1))[:, :4] + a

    found = of_two(run, split=nn.Conv2d(8, 8, 1, groups=2)).metrics
    assert (found.receptive_field, found.global_context) == (3, False)


def test_a_slice_of_a_group_beside_a_pooled_one_has_its_own_field_or_none() -> None:
    def pooled_first(m: Any, a: torch.Tensor, b: torch.Tensor) -> Any:
        return m.split(torch.cat([a.mean((2, 3), keepdim=True).expand_as(a), b], 1))

    split = nn.Conv2d(8, 8, 1, groups=2)
    assert of_two(lambda *given: pooled_first(*given)[:, 4:], split=split).metrics.receptive_field == 7
    assert of_two(lambda *given: pooled_first(*given)[:, :4], split=split).metrics.receptive_field is None


def test_maps_that_alternate_in_depth_are_unknown_behind_a_stride_that_skips_some() -> None:
    def run(m: Any, a: torch.Tensor, b: torch.Tensor) -> Any:
        return m.deep(torch.stack([a, b, a, b], 2))[:, :, 0]

    assert of_two(run, deep=nn.Conv3d(4, 4, 1, stride=(2, 1, 1))).metrics.receptive_field is None


def overwritten(y: torch.Tensor) -> torch.Tensor:
    rows = y.repeat(2, 1, 1, 1)
    rows[1:] = y.roll(3, 2)
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        lambda y: torch.cat([y, y.roll(3, 2)]),
        lambda y: torch.stack([y, y.roll(3, 2)], 1).flatten(0, 1),
        lambda y: torch.stack([y, y.roll(3, 2)], 1).view(-1, 4, 24, 24),
        lambda y: torch.stack([y, y.roll(3, 2)]).flatten(0, 1),
        lambda y: torch.stack([y, y.roll(3, 2)], 1).transpose(0, 1).flatten(0, 1),
        lambda y: torch.stack([y, y.roll(3, 2)], 2).permute(0, 2, 1, 3, 4).reshape(2, 4, 24, 24),
        lambda y: torch.cat([y, y.roll(3, 2)], 1).view(2, 4, 24, 24),
        lambda y: y.repeat(2, 1, 1, 1).index_put((torch.tensor([1]),), y.roll(3, 2)),
        overwritten,
    ],
)
def test_parts_that_become_rows_of_the_batch_have_fields_of_their_own(rows: Callable[..., torch.Tensor]) -> None:
    a, b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    found = trace(Written(lambda m, x: m.b(rows(m.a(x))).mean((2, 3)).mean(0, keepdim=True), a=a, b=b), (3, 24, 24))
    assert found.metrics.receptive_field_hw == ONE
    together = Written(lambda m, x: m.b(rows(m.a(x)).sum(0, keepdim=True)).mean((2, 3)), a=a, b=b)
    assert trace(together, (3, 24, 24)).metrics.receptive_field_hw in (BOTH, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        # in each row the channels are those of its own map, or also of its copy, rolled by three columns
        (lambda t: torch.cat(t.chunk(2, 1)[::-1], 1), ONE),
        (lambda t: torch.slice_scatter(t, t[:, :1].roll(3, 3), 1, 1, 2), (5, 8)),
        (lambda t: torch.stack([t, t.roll(3, 3)], 2).flatten(1, 2)[:, :4], None),  # not followed
        (lambda t: t.index_copy(1, torch.tensor([3, 0]), t[:, :2].roll(3, 3)), (5, 8)),
    ],
)
def test_rows_keep_their_own_fields_whatever_their_channels_are_made_of(
    change: Any, field: tuple[int, int] | None
) -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        result: torch.Tensor = m.b(change(torch.stack([y, y.roll(3, 2)]).flatten(0, 1)))
        return result.mean((2, 3)).mean(0, keepdim=True)

    found = trace(Written(run, a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(4, 4, 3, padding=1)), (3, 24, 24))
    assert found.metrics.receptive_field_hw == field
