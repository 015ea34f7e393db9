"""Which TOML texts are read: by TOML's own rules, and by the depth that is written in the text."""

from __future__ import annotations

import pytest

from constraints.cli.options import read_arguments
from constraints.cli.toml_text import DEEPEST, read_toml_text
from constraints.errors import UnusableInputError


def dotted(levels: int) -> str:
    """A text of so many tables in each other, the outermost included."""
    return "a." * (levels - 1) + "a = 1"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("", {}),
        ("\ufeffa = 1", {"a": 1}),
        ("a = [1, [2]]", {"a": [1, [2]]}),
        ("[a]\nb.c = true", {"a": {"b": {"c": True}}}),
    ],
)
def test_a_text_is_read(text: str, table: dict[str, object]) -> None:
    assert read_toml_text(text) == table


def test_the_deepest_text_that_is_read() -> None:
    found: object = read_toml_text(dotted(DEEPEST))
    for _ in range(DEEPEST):
        assert isinstance(found, dict)
        found = found["a"]
    assert found == 1


@pytest.mark.parametrize(
    "text",
    [
        dotted(DEEPEST + 1),
        dotted(3000),
        "a = " + "[" * DEEPEST + "]" * DEEPEST,
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{b = " * 5000 + "1" + "}" * 5000,
    ],
    ids=["one more", "dotted", "lists", "many lists", "inline"],
)
def test_a_text_that_nests_deeper_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^tables and lists nest deeper than {DEEPEST} levels$"):
        read_toml_text(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = ", r"^Invalid value \(at end of document\)$"),
        ("a = 1\na = 2", r"^Cannot overwrite a value \(at end of document\)$"),
        ("a = " + "9" * 5000, r"^Exceeds the limit \(4300 digits\) for integer string conversion"),
    ],
)
def test_what_is_no_toml_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_toml_text(text)


def test_an_argument_that_nests_deeper_is_refused() -> None:
    with pytest.raises(UnusableInputError, match=r"^not a TOML value: "):
        read_arguments([f"width={{{dotted(3000)}}}"])
