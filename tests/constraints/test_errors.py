"""Texts that are shortened to one line."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from constraints.errors import first_line, shortened, with_type


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("one two", 7, "one two"),
        ("one\n  two", 7, "one two"),
        ("one two!", 7, "one …"),
        ("one two three", 9, "one two …"),
        ("one two three", 8, "one …"),
        ("abcdefgh", 4, "abc…"),
    ],
)
def test_a_text_is_cut_between_words(text: str, most: int, cut: str) -> None:
    assert shortened(text, most) == cut


@pytest.mark.parametrize(
    ("message", "line"), [("", ""), ("one", "one"), ("\n  one \ntwo", "one"), ("a b c", "a …"), ("one\r\ntwo", "one")]
)
def test_of_another_errors_message_the_first_line_is_shown(message: str, line: str) -> None:
    assert first_line(ValueError(message), 4) == line
    assert with_type(ValueError(message), 4) == (f"ValueError: {line}" if line else "ValueError")


def test_an_error_without_a_message_is_its_type_alone() -> None:
    assert with_type(MemoryError()) == "MemoryError"
    assert with_type(ValueError("\n first\nsecond")) == "ValueError: first"


def test_of_an_error_of_pydantic_the_first_fault_is_shown() -> None:
    class Table(BaseModel):
        width: int
        depth: int

    with pytest.raises(ValidationError) as caught:
        Table.model_validate({"width": "a", "depth": "b"})
    fault = "Table: width: Input should be a valid integer, unable to parse string as an integer"
    assert first_line(caught.value) == fault
    assert first_line(ValueError(str(caught.value))) == fault
    assert first_line(ValueError("2 validation errors")) == "2 validation errors"
