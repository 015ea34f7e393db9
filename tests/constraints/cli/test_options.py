"""Values of command line options: what is read, and one-line errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.cli.options import check_format, read_arguments, read_bytes, read_numbers, read_seconds
from constraints.errors import UnusableInputError
from constraints.inputs import read_input


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("250ms", 0.25), ("45m", 45 * 60), ("2min", 120), ("8H", 8 * 3600), ("1.5d", 129_600)],
)
def test_a_duration_is_in_seconds_by_its_unit(text: str, seconds: float) -> None:
    assert read_seconds(f" {text} ") == seconds


@pytest.mark.parametrize("text", ["", "0", "0.0s", "-1s", "5w", "s", "1 2", "1e3", "inf", "9" * 400])
def test_no_other_text_is_a_duration(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"not a duration: .*: write a number above 0 with s, m or h"):
        read_seconds(text)


def test_a_duration_may_be_none_where_that_is_allowed() -> None:
    assert read_seconds("0", least=0) == read_seconds("0s", least=0) == 0
    with pytest.raises(UnusableInputError, match=r"not a duration: '-1s': write 0 or a number with s, m or h"):
        read_seconds("-1s", least=0)


@pytest.mark.parametrize(
    ("text", "count"),
    [("7", 7), ("7b", 7), ("1k", 1000), ("1KiB", 1024), ("500MB", 5 * 10**8), ("4GiB", 2**32), ("1.5g", 15 * 10**8),
     ("2TiB", 2**41)],
)  # fmt: skip
def test_a_size_counts_in_thousands_or_with_an_i_in_1024(text: str, count: int) -> None:
    assert read_bytes(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "4Gi B", "4PiB", "GiB", "1,5g", "4ib", "9" * 400])
def test_no_other_text_is_a_size(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"not a size: .*: write a number above 0 with MiB or GiB"):
        read_bytes(text)


def test_numbers_are_as_many_as_asked_for() -> None:
    assert read_numbers("0.5, -1,2e3", 3) == (0.5, -1.0, 2000.0)
    for text in ("0.5,1", "0.5,1,2,3", "a,b,c", "", "0.5,nan,1", "inf,0,0"):
        with pytest.raises(UnusableInputError, match=r"not 3 numbers: .*: write them with commas between"):
            read_numbers(text, 3)


def test_arguments_are_toml_and_the_last_of_a_name_counts() -> None:
    pairs = ["width=16", 'act = "re=lu"', "deep=true", "rates=[0.5, 1]", "width=32"]
    assert read_arguments(pairs) == {"width": 32, "act": "re=lu", "deep": True, "rates": [0.5, 1]}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("width", "not key=value: 'width': write for example width=16"),
        ("3=16", "not key=value: '3=16'"),
        ("=16", "not key=value: '=16'"),
        ("act=relu", "not a TOML value: 'act=relu': a text needs its quotes"),
        ("a=1\nb=2", "not a TOML value: 'a=1.nb=2'"),
        ("a=", "not a TOML value: 'a='"),
        ("a=" + "9" * 5000, "not a TOML value: 'a=9+'"),
        ("a=" + "[" * 5000, r"not a TOML value: 'a=\[+'"),
        ("day=2026-01-31", "not a value for an argument: 'day=2026-01-31': write a date or a time as text"),
        ("at=07:32:00", "not a value for an argument: 'at=07:32:00'"),
        ("a=[1, {b = 1979-05-27T07:32:00Z}]", "not a value for an argument: 'a=.*07:32:00Z}]'"),
    ],
)
def test_an_argument_that_cannot_be_read_is_named(pair: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message) as error:
        read_arguments(["first=1", pair])
    assert "\n" not in str(error.value)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    for read in (read_input, read_seconds, read_bytes, lambda t: read_numbers(t, 2), lambda t: read_arguments([t])):
        try:
            read(text)
        except UnusableInputError as error:
            assert "\n" not in str(error)  # noqa: PT017 (some texts are read)


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    check_format("json", ("table", "json"))
    with pytest.raises(UnusableInputError, match=r"^unknown format: 'xml': use table, json$"):
        check_format("xml", ("table", "json"))
