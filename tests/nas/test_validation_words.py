"""A user never sees pydantic's own messages."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from nas.validation_words import first_of, what_to_do


class Sub(BaseModel):
    low: int


class Colour(Enum):
    RED = "red"


def _refuse(text: str) -> str:
    raise ValueError("give a name without slashes")


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (int, "abc", "write a whole number"),
        (int, 1.5, "write a whole number"),
        (float, "x", "write a number"),
        (bool, "maybe", "write true or false"),
        (str, 3, "write text"),
        (list[int], 3, "write a list"),
        (Sub, 3, "write a table"),
        (Sub, {}, "it is missing: write it"),
        (Path, 3, "write a path"),
        (Annotated[int, Field(ge=1)], 0, "give 1 or more"),
        (Annotated[int, Field(gt=1)], 1, "give more than 1"),
        (Annotated[float, Field(lt=1)], 1.0, "give less than 1.0"),
        (Annotated[float, Field(le=1)], 1.5, "give 1.0 or less"),
        (Annotated[list[int], Field(min_length=1)], [], "give 1 or more"),
        (Annotated[float, Field(allow_inf_nan=False)], float("nan"), "write a number"),
        (Literal["auto", "cpu", "cuda"], "tpux", "give auto, cpu or cuda"),
        (Literal["a1", "b2", "c3", "strided", "dilated"], "stridde", "did you mean strided?"),
        (Colour, "blue", "give red"),
        (Annotated[str, AfterValidator(_refuse)], "a/b", "give a name without slashes"),
    ],
)
def test_the_words_say_what_to_do(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert what_to_do(caught.value) == words


def test_no_error_that_pydantic_knows_keeps_its_own_words() -> None:
    numbers = dict.fromkeys(
        ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "actual_length", "expected"), 3
    )
    for kind in get_args(ErrorType):
        if kind in {"value_error", "assertion_error"}:  # those of own validators
            continue
        detail = InitErrorDetails(type=PydanticCustomError(kind, "pydantic says", numbers), input="x")
        message = what_to_do(ValidationError.from_exception_data("title", [detail]))
        assert message.split()[0] in {"give", "write", "it", "there"}


def test_a_name_that_is_not_known_comes_before_the_one_that_it_may_stand_for() -> None:
    class Table(BaseModel, extra="forbid"):
        form: str

    with pytest.raises(ValidationError) as caught:
        Table.model_validate({"forms": "round"})
    assert [one["type"] for one in caught.value.errors()] == ["missing", "extra_forbidden"]
    assert (first_of(caught.value)["loc"], what_to_do(caught.value)) == (
        ("forms",),
        "there is no such key: leave it out",
    )
