"""Numbers with their nouns."""

import pytest

from nas.words import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (999, "999 epochs"), (1000, "1,000 epochs")]
)
def test_one_is_singular_and_thousands_are_grouped(number: int, text: str) -> None:
    assert counted(number, "epoch") == text
