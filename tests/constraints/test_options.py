"""Values of command line options: just within and just outside of what is allowed, and every error's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.errors import UnusableInputError
from constraints.options import read_arguments, read_bytes, read_numbers, read_seconds, read_shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [("3,32,32", (3, 32, 32)), (" 1 , 28,28 ", (1, 28, 28)), ("16", (16,)), ("1,2,3,4", (1, 2, 3, 4)),
     ("1000000", (1_000_000,))],
)  # fmt: skip
def test_shapes(text: str, shape: tuple[int, ...]) -> None:
    assert read_shape(text) == shape


@pytest.mark.parametrize("text", ["", "3,", "3,0,32", "3,-1,32", "1,2,3,4,5", "1000001", "3x32x32", "3,³,2", "3.0,1"])
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"^not an input shape: '.*': write channels,height,width"):
        read_shape(text)


@given(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=4))
def test_every_shape_reads_back(shape: list[int]) -> None:
    assert read_shape(",".join(map(str, shape))) == tuple(shape)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("90", 90), ("1.5m", 90), ("2min", 120), ("8h", 28_800), ("1d", 86_400), ("250ms", 0.25),
     (" 3 H ", 10_800)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0", "0s", "-1s", "s", "", "1 week", "1e3", "1h30m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"^not a duration: '.*': write a number above 0 with s, m or h"):
        read_seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 4 * 1024**3), ("500MB", 500_000_000), ("1g", 10**9), ("1.5k", 1500), ("2KiB", 2048), ("7", 7),
     ("7 b", 7), ("1Ti", 1024**4)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert read_bytes(text) == size


@pytest.mark.parametrize("text", ["0", "0GiB", "-1", "GiB", "4 GiBs", "4ib", ""])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"^not a size: '.*': write a number above 0 with MiB or GiB"):
        read_bytes(text)


def test_numbers_are_as_many_as_asked() -> None:
    assert read_numbers("0.49,-1, 2e-1", 3) == (0.49, -1.0, 0.2)
    for text in ("1,2", "1,2,3,4", "1,x,3", ""):
        with pytest.raises(UnusableInputError, match=rf"^not 3 numbers: '{text}': write them with commas between$"):
            read_numbers(text, 3)


def test_arguments_are_toml_values() -> None:
    pairs = ["width=16", 'act="relu"', "wide = true", "sizes=[1, 2]", "equal='a=b'", "width=17"]
    assert read_arguments(pairs) == {"width": 17, "act": "relu", "wide": True, "sizes": [1, 2], "equal": "a=b"}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("width", "not key=value: 'width': write for example width=16"),
        ("2=3", "not key=value"),
        ("=3", "not key=value"),
        ("act=relu", "not a TOML value: 'act=relu': a text needs its quotes"),
        ("a=", "not a TOML value"),
        ("a=1\nb=2", "not a TOML value"),  # one pair sets one argument
    ],
)
def test_what_is_no_argument(pair: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        read_arguments([pair])
