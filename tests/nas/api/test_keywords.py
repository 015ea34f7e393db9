"""Errors of the Python functions name keywords."""

from __future__ import annotations

import pytest

import nas
from constraints.errors import UnusableInputError
from nas.api.keywords import in_keywords


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--from-study: 'a': none", "from_study: 'a': none"),
        ("give --data DIR, or another --study", "give data=DIR, or another study"),
        ("give --timeout 90s", "give timeout=90s"),
        ("--require: 'x'", "constraints: 'x'"),
        ("uv run --extra ray search.py", "uv run --extra ray search.py"),
        ("a--data b", "a--data b"),
    ],
)
def test_flags_become_keywords_where_they_are_some(text: str, said: str) -> None:
    assert in_keywords(text, {"from_study", "data", "study", "timeout", "constraints"}) == said


def test_an_unknown_keyword_is_named_as_it_was_given() -> None:
    with pytest.raises(UnusableInputError, match=r"^early_stop: 3: unknown key: "):
        nas.launch(data="digits", early_stop=3)  # type: ignore[call-arg]
