"""Operations that move elements: a convolution behind each sees what it would see by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.metrics import Layer
from constraints.tracer import trace
from tests.constraints.written import Written

Move = Callable[[torch.Tensor], torch.Tensor]


def behind(move: Move, kernel: int = 3) -> Layer:
    """A convolution without padding behind ``move`` of a map of 4 channels, 8 x 8."""
    channels = move(torch.zeros(1, 4, 8, 8)).shape[1]
    return trace(Written(lambda m, x: m.c(move(x)), c=nn.Conv2d(channels, 2, kernel)), (4, 8, 8)).layers[-1]


@pytest.mark.parametrize(
    ("move", "field", "jump", "offset"),
    [
        (lambda x: x, (3, 3), (1, 1), (0, 0)),
        (lambda x: x.permute(0, 1, 3, 2), (3, 3), (1, 1), (0, 0)),
        (lambda x: x.transpose(1, 2).transpose(1, 2), (3, 3), (1, 1), (0, 0)),
        (lambda x: x.flatten(2).unflatten(2, (8, 8)), (3, 3), (1, 1), (0, 0)),
        (lambda x: x.flatten(1).reshape(-1, 4, 8, 8), (3, 3), (1, 1), (0, 0)),
        (lambda x: x.unsqueeze(2).squeeze(2), (3, 3), (1, 1), (0, 0)),
        (lambda x: x[..., ::2], (3, 5), (1, 2), (0, 0)),  # every second column: 1 + 2 * 2
        (lambda x: x[..., 1::3], (3, 7), (1, 3), (0, 1)),
        (lambda x: x[:, :, 2:], (3, 3), (1, 1), (2, 0)),
        (lambda x: x[:, :, -3:], (3, 3), (1, 1), (5, 0)),
        (lambda x: x.chunk(2, 3)[1], (3, 3), (1, 1), (0, 4)),
        (lambda x: x.split([3, 5], 3)[1], (3, 3), (1, 1), (0, 3)),
        (lambda x: torch.stack(x.unbind(1), 1), (3, 3), (1, 1), (0, 0)),
        (lambda x: x.flip(3), (3, 3), (1, 1), (0, 5)),  # the first window holds the last three columns
        (lambda x: x[:, :, ::2].rot90(1, (2, 3)), (5, 3), (2, 1), (0, 5)),  # rows are columns from the last on
        (lambda x: x[:, :, ::2].rot90(2, (2, 3)), (5, 3), (2, 1), (2, 5)),
        (lambda x: x[:, :, ::2].rot90(3, (3, 2)), (5, 3), (2, 1), (0, 5)),
        (lambda x: x.rot90(1, (2, 3)).rot90(-1, (2, 3)), (3, 3), (1, 1), (0, 0)),
        (lambda x: torch.complex(x, x * 2).conj().imag, (3, 3), (1, 1), (0, 0)),
        (
            lambda x: (
                torch.view_as_real(torch.view_as_complex(x.unflatten(1, (2, 2)).movedim(2, -1).contiguous()) * 1j)
                .movedim(-1, 2)
                .flatten(1, 2)
            ),
            (3, 3),
            (1, 1),
            (0, 0),
        ),
        (lambda x: F.pixel_unshuffle(x, 2), (6, 6), (2, 2), (0, 0)),
        (lambda x: x.repeat(1, 3, 1, 1), (3, 3), (1, 1), (0, 0)),
        (lambda x: x.index_select(1, torch.tensor([2, 0])), (3, 3), (1, 1), (0, 0)),
        (lambda x: F.channel_shuffle(x, 2), (3, 3), (1, 1), (0, 0)),
    ],
)
def test_what_is_seen_behind_a_move(
    move: Move, field: tuple[int, int], jump: tuple[int, int], offset: tuple[int, int]
) -> None:
    found = behind(move)
    assert (found.receptive_field, found.jump, found.offset) == (field, jump, offset)


@pytest.mark.parametrize(("kernel", "field"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_a_pixel_shuffle_makes_a_finer_map(kernel: int, field: int) -> None:
    """Two neighbours show one pixel: k of them show at most k // 2 + 1 pixels."""
    assert behind(lambda x: F.pixel_shuffle(x, 2), kernel).receptive_field == (field, field)


@pytest.mark.parametrize(("size", "step", "field"), [(2, 2, 6), (4, 2, 8), (4, 4, 12)])
def test_windows_of_unfold_are_seen_whole_a_step_apart(size: int, step: int, field: int) -> None:
    """Windows of ``size`` columns become channels; three of them reach over size + 2 * step columns."""

    def move(x: torch.Tensor) -> torch.Tensor:
        return x.unfold(3, size, step).permute(0, 1, 4, 2, 3).flatten(1, 2)

    model = Written(lambda m, x: m.c(move(x)), c=nn.Conv2d(4 * size, 2, (1, 3)))
    assert trace(model, (4, 16, 16)).layers[-1].receptive_field == (1, field)


@pytest.mark.parametrize(("shift", "offset"), [(1, -1), (-2, 2), (7, 1), (4, 4), (-5, -3)])
def test_a_roll_is_a_shift_by_the_shorter_way(shift: int, offset: int) -> None:
    assert behind(lambda x: x.roll(shift, 3)).offset == (0, offset)


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (lambda x: x.roll(1), "a roll over the flattened map"),
        (lambda x: x[..., torch.tensor([3, 1, 2, 0])], "indexing by a tensor along a spatial axis"),
        (lambda x: x.as_strided((1, 4, 4, 4), (256, 64, 8, 1)), "write windows with unfold"),
    ],
)
def test_what_is_not_followed_says_why(move: Move, why: str) -> None:
    found = trace(Written(lambda m, x: m.c(move(x)), c=nn.Conv2d(4, 2, 3)), (4, 8, 8))
    assert found.metrics.receptive_field is None
    assert why in found.unknown["receptive_field"]
    assert any(why in warning for warning in found.warnings)


def test_as_strided_that_lays_the_same_shape_out_anew_changes_nothing() -> None:
    assert behind(lambda x: x.as_strided((1, 4, 8, 8), (256, 64, 8, 1))).receptive_field == (3, 3)


@pytest.mark.parametrize(("part", "pairs"), [(slice(None), 1), (slice(0, 4), 1), (slice(0, 3), 0), (slice(1, 4), 0)])
def test_a_whole_slice_is_no_change_and_a_part_is(part: slice, pairs: int) -> None:
    """A depthwise layer reaches its 1x1 through identities only."""
    width = len(range(4)[part])
    model = Written(lambda m, x: m.p(m.d(x)[:, part]), d=nn.Conv2d(4, 4, 3, groups=4), p=nn.Conv2d(width, 2, 1))
    assert trace(model, (4, 8, 8)).metrics.depthwise_separable_convs == pairs


def turned_tokens(x: torch.Tensor, tokens: int) -> torch.Tensor:
    """A map cut out again of its tokens, which were flipped with ``tokens`` further ones behind them."""
    extra = torch.zeros(len(x), tokens, x.shape[1])
    turned = torch.cat([x.flatten(2).mT, extra], 1).flip(1)
    return turned[:, tokens:].mT.reshape(-1, 4, 8, 8)


@pytest.mark.parametrize("tokens", [0, 1, 2, 8])
def test_tokens_behind_those_of_a_map_are_in_front_once_they_are_flipped(tokens: int) -> None:
    """The map is turned round both ways, so its first window holds the last three rows and columns."""
    layer = behind(lambda x: turned_tokens(x, tokens))
    assert (layer.receptive_field, layer.offset) == ((3, 3), (5, 5))


def test_more_tokens_than_the_map_has_are_unknown_and_not_wrong() -> None:
    assert behind(lambda x: turned_tokens(x, 65)).receptive_field is None
