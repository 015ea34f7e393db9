import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.results.sparklines import chart, sparkline


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((), ""),
        ((0.0, 0.124, 0.125, 0.5, 0.875, 1.0), "▁▁▂▅██"),
        (tuple(i / 8 for i in range(8)), "▁▂▃▄▅▆▇█"),
        ((0.0, 1.0) * 8, "████████"),
        ((0.0,) * 9 + (1.0,), "▁▁▁▁█"),
        ((0.0,) * 8 + (1.0,), "▁▁▁▁█"),  # the first of 9, and each second one behind it
        ((0.0,) * 16 + (1.0,), "▁▁▁▁▁█"),
    ],
)
def test_a_curve_takes_eight_characters_at_most(values: tuple[float, ...], text: str) -> None:
    assert sparkline(values) == text


def test_a_chart_draws_the_least_as_one_eighth_and_the_greatest_full() -> None:
    assert chart([0.0, 1.0], width=2, height=2) == ["100.00%  █", "  0.00% ▁█"]


def test_a_chart_in_between_is_as_high_as_its_share() -> None:
    # 17 steps from one eighth to 16: a half is 1 + round(0.5 * 15) = 9 eighths, one full line and one eighth
    assert chart([0.0, 0.5, 1.0], width=3, height=2) == ["100.00%  ▁█", "  0.00% ▁██"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=99), st.integers(1, 12))
def test_a_curve_and_a_chart_end_at_the_last_value(values: list[float], width: int) -> None:
    assert sparkline(values, width)[-1] == sparkline(values[-1:])
    assert len(sparkline(values, width)) <= width
    *_, last = chart([0.0] * len(values) + [1.0], width=width + 1)
    assert last.endswith("█")


def test_a_chart_of_nothing_has_no_line_and_of_one_value_no_scale() -> None:
    assert chart([], width=40) == []
    assert chart([0.5], width=1, height=1) == [" 50.00% ▁"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=500), st.integers(1, 100))
def test_a_chart_keeps_its_width(values: list[float], width: int) -> None:
    lines = chart(values, width=width)
    assert len(lines) == 8
    assert max(len(line) for line in lines) <= width + 8


def test_what_is_no_number_is_a_gap_and_no_bar() -> None:
    assert sparkline((0.0, None, float("nan"), 1.0)) == "▁  █"
    assert chart((0.25, float("nan"), None, 0.75), width=8, height=2) == [" 75.00%     ████", " 25.00% ▁▁▁▁████"]
    assert chart((float("nan"), None), width=8) == []
