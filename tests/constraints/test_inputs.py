"""What a model is given, as text and as shapes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.errors import UnusableInputError
from constraints.inputs import InputSpec, read_input, specs


@given(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=5))
def test_a_shape_reads_back(sizes: list[int]) -> None:
    assert read_input(", ".join(map(str, sizes))) == InputSpec(shape=tuple(sizes))


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("int64:16", InputSpec(shape=(16,), dtype="int64")),
        ("tokens=int64:16", InputSpec(shape=(16,), dtype="int64", name="tokens")),
        ("mask = bool : 1, 8, 8", InputSpec(shape=(1, 8, 8), dtype="bool", name="mask")),
        ("scale=3,4", InputSpec(shape=(3, 4), name="scale")),
        ("long:3", InputSpec(shape=(3,), dtype="int64")),
    ],
)
def test_a_name_and_a_dtype_go_before_the_shape(text: str, spec: InputSpec) -> None:
    assert read_input(text) == spec
    assert InputSpec.from_dict(spec.as_dict()) == spec
    assert read_input(str(spec)) == spec


@pytest.mark.parametrize(
    "text", ["", "3,", "3,0,32", "-3,32", "3x32x32", "3,32,1000001", "1,1,1,1,1,1", "3.0,32", "²", "a=", "a=b=3", "=3"]
)
def test_no_other_text_is_a_shape(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"not an input shape: .*: write channels,height,width"):
        read_input(text)


def test_an_unknown_dtype_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnusableInputError, match=r"unknown dtype: 'int65:3': use bfloat16, bool, complex64, float16"):
        read_input("int65:3")


def test_one_shape_or_one_for_each_input() -> None:
    one, two = InputSpec(shape=(3, 8)), InputSpec(shape=(5,), dtype="int64")
    assert specs((3, 8)) == specs([(3, 8)]) == specs(one) == (one,)
    sizes: list[Any] = [(3, 8), two]
    assert specs(sizes) == (one, two)


@pytest.mark.parametrize("sizes", [(), (3, 0), ("3", 2), [(3, 4), ()], "333", 3, None, 3.0])
def test_an_impossible_size_is_refused(sizes: Any) -> None:
    with pytest.raises(UnusableInputError, match=r"unusable input size: .*: give positive integers"):
        specs(sizes)
