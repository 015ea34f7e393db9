from fractions import Fraction

import pytest

from constraints.receptive_field import Field, adaptive, explicit, interpolated, transposed

PIXELS = Field()


def conv(field: Field, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0) -> Field:
    return field.window(kernel, dilation, -padding).every(stride)


def test_a_pixel_sees_itself() -> None:
    assert PIXELS.size == 1
    assert PIXELS.at(7) == (7, 7)


@pytest.mark.parametrize(("kernel", "dilation", "size"), [(1, 1, 1), (1, 9, 1), (3, 1, 3), (2, 1, 2), (3, 4, 9)])
def test_one_window_sees_kernel_minus_one_dilations_more(kernel: int, dilation: int, size: int) -> None:
    assert conv(PIXELS, kernel, dilation=dilation).size == size == 1 + (kernel - 1) * dilation


def test_a_chain_follows_the_published_recurrence() -> None:
    # Araujo, Norris, Sim 2019: r = 1 + sum of (k - 1) * product of the strides before: 1 + 2*1 + 4*2 + 2*4 = 19
    field = conv(conv(conv(PIXELS, 3, stride=2), 5, stride=2), 3)
    assert field.size == 19
    assert field.jump == 4


def test_padding_moves_what_is_seen_and_keeps_its_size() -> None:
    assert conv(PIXELS, 3, padding=1).at(10) == (9, 11)
    assert conv(PIXELS, 3).at(10) == (10, 12)


def test_units_of_a_transposed_convolution_differ_by_phase() -> None:
    # o = 2i - 1 + k, k < 4: unit 0 is reached from i = 0 (k = 1) and -1 (k = 3), unit 1 from 1 (k = 0) and 0 (k = 2)
    field = transposed(PIXELS, kernel=4, stride=2, dilation=1, padding=1)
    assert [field.at(o) for o in (0, 1, 2)] == [(-1, 0), (0, 1), (0, 1)]
    assert field.size == 2


def test_a_transposed_kernel_smaller_than_its_stride_leaves_blind_units() -> None:
    field = transposed(PIXELS, kernel=1, stride=2, dilation=1, padding=0)
    assert field.size == 1
    low, high = field.at(1)
    assert low > high


def test_nothing_is_seen_through_blind_units_but_their_neighbours() -> None:
    field = transposed(PIXELS, kernel=1, stride=3, dilation=1, padding=0)
    assert conv(field, 2, dilation=3).size == 2
    assert conv(field, 2).size == 1


def test_uneven_adaptive_pooling_repeats_after_its_outputs() -> None:
    # 7 to 3: floor(o*7/3) to ceil((o+1)*7/3): 0-2, 2-4, 4-6
    field = adaptive(PIXELS, 7, 3)
    assert [field.at(o) for o in (0, 1, 2)] == [(0, 2), (2, 4), (4, 6)]
    assert (field.period, field.jump) == (3, 7)


@pytest.mark.parametrize(
    ("mode", "scale", "seen"),
    [
        ("nearest", Fraction(1, 2), [(0, 0), (0, 0), (1, 1), (1, 1)]),
        ("nearest", Fraction(2, 3), [(0, 0), (0, 0), (1, 1), (2, 2)]),
        ("nearest-exact", Fraction(3, 2), [(0, 0), (2, 2), (3, 3), (5, 5)]),
        ("linear", Fraction(1, 2), [(-1, 0), (0, 1), (0, 1), (1, 2)]),
        ("linear", Fraction(1, 3), [(-1, 0), (0, 0), (0, 1), (0, 1)]),
        ("cubic", Fraction(1, 2), [(-2, 1), (-1, 2), (-1, 2), (0, 3)]),
        ("linear-aa", Fraction(2), [(-1, 2), (1, 4), (3, 6), (5, 8)]),
    ],
)
def test_interpolation_reads_the_taps_with_weight(mode: str, scale: Fraction, seen: list[tuple[int, int]]) -> None:
    field = interpolated(PIXELS, scale, mode, align_corners=False)
    assert [field.at(o) for o in range(4)] == seen


def test_aligned_corners_read_one_tap_where_they_fall_on_a_unit() -> None:
    field = interpolated(PIXELS, Fraction(1, 2), "linear", align_corners=True)
    assert [field.at(o) for o in range(4)] == [(0, 0), (0, 1), (1, 1), (1, 2)]


def test_a_join_takes_the_hull() -> None:
    joined = conv(PIXELS, 3, padding=1).hull(conv(PIXELS, 7, padding=0))
    assert joined is not None
    assert joined.at(0) == (-1, 6)


def test_fields_of_different_speed_have_no_common_rhythm() -> None:
    assert PIXELS.hull(PIXELS.every(2)) is None


def test_a_join_of_phases_repeats_after_both() -> None:
    joined = transposed(PIXELS.every(2), 2, 2, 1, 0).hull(transposed(PIXELS.every(3), 3, 3, 1, 0))
    assert joined is not None
    assert (joined.period, joined.jump) == (6, 6)


def test_phases_that_do_not_differ_are_one() -> None:
    assert transposed(conv(PIXELS, 3, stride=2), 1, 1, 1, 0).period == 1
    assert explicit([(i, i + 2) for i in range(6)]) == Field(1, (0,), (2,))


def test_an_explicit_field_finds_its_windows() -> None:
    assert explicit([(0, 1), (0, 1), (2, 3), (2, 3), (4, 5), (4, 5)]) == Field(2, (0, 0), (1, 1))


def test_a_window_over_phases_is_the_hull_of_its_taps() -> None:
    field = explicit([(0, 5), (1, 2), (6, 11), (7, 8)])
    assert field.window(3, 1, 0).at(0) == (0, 11)
    assert field.window(2, 1, 1).at(0) == (1, 11)
