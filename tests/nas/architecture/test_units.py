"""Units by hand: sizes at the edge of what fits, costs, reach, and every refusal."""

import pytest

from nas.architecture.units import ArchitectureError, Conv, Convolution, Excite, Mixed, Part, channels_after


@pytest.mark.parametrize(
    ("conv", "kind"),
    [
        (Conv(out=8), "standard"),
        (Conv(out=8, kernel=1), "pointwise"),
        (Conv(out=8, groups=4), "grouped"),
        (Conv(out=8, groups=8), "depthwise"),
        (Conv(out=16, kernel=1, groups=8), "depthwise"),
        (Conv(out=8, kernel=1, gated=True), "gated"),
    ],
)
def test_kinds_at_eight_channels(conv: Conv, kind: str) -> None:
    assert conv.kind(8) == kind


def test_one_channel_is_no_depthwise() -> None:
    assert not Convolution(1, 3, 1, 1, 1).is_depthwise
    assert Convolution(2, 3, 1, 1, 2).is_depthwise
    assert Convolution(8, 1, 1, 1, 1).is_pointwise
    assert not Convolution(8, 1, 1, 1, 2).is_pointwise
    assert not Convolution(8, 3, 1, 1, 1).is_pointwise


@pytest.mark.parametrize(
    ("side", "expected"),
    [(4, None), (5, 1), (6, 1), (7, 2)],  # an unpadded 3x3 of dilation 2 covers 5 pixels
)
def test_a_map_just_too_small_just_large_enough_and_larger(side: int, expected: int | None) -> None:
    conv = Conv(out=2, stride=2, dilation=2, padding=0)
    if expected is not None:
        assert conv.output((3, side, 7)) == (2, expected, 2)
        return
    with pytest.raises(ArchitectureError, match="a 3x3 kernel of dilation 2 leaves nothing of a 4x7 map: pad it"):
        conv.output((3, side, 7))


def test_costs_of_a_convolution_by_hand() -> None:
    conv = Conv(out=8, kernel=5, stride=2, groups=2, bias=True)
    assert conv.output((4, 9, 9)) == (8, 5, 5)
    assert conv.params(4) == 8 * 2 * 25 + 8 + 2 * 8
    assert conv.macs((4, 9, 9)) == 8 * 25 * 2 * 25
    assert conv.reach() == (-2, 2, 2)
    assert conv.convolutions(4) == (Convolution(4, 5, 2, 1, 2),)


def test_a_gated_convolution_makes_both_halves() -> None:
    gated = Conv(out=6, kernel=1, gated=True, bias=True, post=("layer_norm", "gelu"))
    assert (gated.filters, gated.output((4, 3, 3)), channels_after(gated, 4)) == (12, (6, 3, 3), 6)
    assert gated.params(4) == 12 * 4 + 12 + 2 * 12
    assert gated.macs((4, 3, 3)) == 12 * 9 * 4


def test_padding_keeps_the_size_unless_it_is_said() -> None:
    assert Conv(out=1, kernel=5, dilation=3).pad == 6
    assert Conv(out=1, kernel=5, dilation=3) == Conv(out=1, kernel=5, dilation=3, padding=6)
    assert Conv(out=1, padding=0).reach() == (0, 2, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"out": 0}, "out of a convolution is 0: it must be 1 or more"),
        ({"out": 8, "kernel": 0}, "kernel of a convolution is 0"),
        ({"out": 8, "stride": 0}, "stride of a convolution is 0"),
        ({"out": 8, "dilation": 0}, "dilation of a convolution is 0"),
        ({"out": 8, "groups": 0}, "groups of a convolution is 0"),
        ({"out": 8, "kernel": 1, "dilation": 2}, "dilation of a 1x1 kernel dilates nothing: 2: leave it at 1"),
        ({"out": 8, "padding": -1}, "a convolution to 8 channels with padding -1 and 1 groups"),
        ({"out": 8, "groups": 3}, "a convolution to 8 channels with padding 1 and 3 groups"),
        ({"out": 8, "post": ("swish",)}, "unknown layer after a convolution: 'swish': use batch_norm, "),
        ({"out": 8, "post": ("relu", "silu")}, "after a convolution: relu-silu: at most one norm and one activation"),
        ({"out": 8, "post": ("batch_norm", "layer_norm")}, "at most one norm and one activation"),
        ({"out": 8, "gated": True}, "a gated convolution is 1x1 without stride, padding or groups"),
        ({"out": 8, "gated": True, "kernel": 1, "stride": 2}, "a gated convolution is 1x1"),
        (
            {"out": 8, "gated": True, "kernel": 1, "post": ("relu", "batch_norm")},
            "the norm comes before the activation",
        ),
    ],
)
def test_what_no_convolution_can_be(values: dict[str, object], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        Conv(**values)  # type: ignore[arg-type]  # a table of cases


def test_groups_that_do_not_divide_the_input() -> None:
    with pytest.raises(ArchitectureError, match="4 groups do not divide 6 input channels: choose a divisor"):
        Conv(out=8, groups=4).output((6, 8, 8))


def test_a_mixture_by_hand() -> None:
    mixed = Mixed(parts=(Part(1), Part(3), Part(5, 2, 3)), bias=True)
    assert mixed.output((6, 9, 8)) == (6, 9, 8)
    assert mixed.params(6) == 2 * (9 + 1) + 2 * (25 + 1) + 2 * 6  # shares of two channels; the first passes
    assert mixed.macs((6, 9, 8)) == 2 * 72 * (9 + 25)
    assert mixed.reach() == (-5, 5, 1)  # 2 * (5 - 1) / 2, and one more from the pool
    assert mixed.convolutions(6) == (Convolution(2, 3, 1, 1, 2), Convolution(2, 5, 1, 2, 2))
    assert Mixed(parts=(Part(3), Part(5)), stride=2).output((4, 9, 8)) == (4, 5, 4)
    with pytest.raises(ArchitectureError, match="3 parts do not divide 8 channels"):
        mixed.output((8, 9, 8))


@pytest.mark.parametrize(
    ("parts", "stride", "message"),
    [
        ((Part(4), Part(3)), 1, r"a part of a mixed convolution is \(4, 1, 1\): kernel and pool must be odd"),
        ((Part(3, 0), Part(3)), 1, "dilation 1 or more"),
        ((Part(3, 1, 2), Part(3)), 1, "kernel and pool must be odd"),
        ((Part(3), Part(5)), 0, "a part of a mixed convolution is"),
        ((Part(1, 2), Part(3)), 1, "a part of kernel 1 passes its channels as they are"),
        ((Part(1), Part(3)), 2, "a part of kernel 1 passes its channels as they are"),
        ((Part(3), Part(3)), 1, "a mixed convolution needs parts that differ"),
        ((Part(3),), 1, "a mixed convolution needs parts that differ"),
    ],
)
def test_what_is_no_mixture(parts: tuple[Part, ...], stride: int, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        Mixed(parts=parts, stride=stride)


@pytest.mark.parametrize(("channels", "reduction", "hidden"), [(8, 4, 2), (7, 4, 1), (3, 4, 1), (8, 1, 8), (9, 2, 4)])
def test_units_between_the_layers_of_a_gate(channels: int, reduction: int, hidden: int) -> None:
    excite = Excite(reduction=reduction)
    assert excite.hidden(channels) == hidden
    assert excite.params(channels) == (channels * hidden + hidden) + (hidden * channels + channels)
    assert excite.macs((channels, 5, 5)) == 2 * channels * hidden
    assert (excite.output((channels, 5, 5)), excite.reach(), excite.convolutions(channels)) == (
        (channels, 5, 5), (0, 0, 1), (),
    )  # fmt: skip


def test_a_reduction_below_one() -> None:
    with pytest.raises(ArchitectureError, match="reduction of a squeeze-and-excitation is 0: it must be 1 or more"):
        Excite(reduction=0)
