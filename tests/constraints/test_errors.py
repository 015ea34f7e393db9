"""Texts that are shortened to one line."""

from __future__ import annotations

import pytest

from constraints.errors import shortened


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
