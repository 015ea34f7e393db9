"""Arguments are held against their annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from constraints.errors import UnusableInputError
from nas.arguments import checked, fits


@checked
def drawn(
    count: int, *, place: str | Path = "here", of: Iterable[str] = (), mode: Literal["a", "b"] = "a", **rest: object
) -> str:
    return f"{count} {place} {list(of)} {mode} {rest}"


def test_what_fits_is_handed_on() -> None:
    assert drawn(2) == "2 here [] a {}"
    assert drawn(count=np.int64(3), place=Path("x"), of=(c for c in "uv"), mode="b", other=3) == (  # type: ignore[arg-type]  # an integer of numpy
        "3 x ['u', 'v'] b {'other': 3}"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"count": "3"}, "count is of another type: '3': give int"),
        ({"count": True}, "count is of another type: True: give int"),
        ({"count": 3.0}, "count is of another type: 3.0: give int"),
        ({"count": 3, "place": b"x"}, "place is of another type: b'x': give str | Path"),
        ({"count": 3, "of": None}, "of is of another type: None: give Iterable[str]"),
        ({"count": 3, "mode": "c"}, "mode is of another type: 'c': give Literal['a', 'b']"),
        ({"count": 3, "mode": ["a"]}, "mode is of another type: ['a']: give Literal['a', 'b']"),
    ],
)
def test_another_type_is_one_line(arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(UnusableInputError) as caught:
        drawn(**arguments)
    assert str(caught.value) == line


def test_a_long_value_is_cut() -> None:
    with pytest.raises(UnusableInputError, match=r"count is of another type: 'x{3,}\.{3}x{3,}': give int"):
        drawn("x" * 5000)  # type: ignore[arg-type]


def test_an_argument_that_there_is_not_is_python_s_own_error() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'count'"):
        drawn()  # type: ignore[call-arg]


def test_functions_and_numbers_fit() -> None:
    assert fits(len, Callable[[str], int])
    assert not fits(3, Callable[[str], int])
    assert fits(3, float)
    assert not fits(True, float)
    assert fits(None, int | None)
    assert fits(object(), Any)
