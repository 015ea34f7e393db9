"""Errors of the Python functions name keywords."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import nas
from constraints.errors import UnusableInputError
from nas.api.keywords import in_keywords

KNOWN = {"from_study", "data", "study", "timeout", "constraints", "device", "arguments"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--from-study: 'a': none", "from_study: 'a': none"),
        ("give --data DIR, or another --study", "give data=DIR, or another study"),
        ("give --timeout 90s", "give timeout='90s'"),
        ("give --timeout 90, or longer", "give timeout=90, or longer"),
        ("no GPU: take --device cpu", "no GPU: take device='cpu'"),
        ("take --device cpu, or none", "take device='cpu', or none"),
        ("--data 'x': it is of other data", "data='x': it is of other data"),
        ("--study a,b: is no name", "study='a,b': is no name"),
        ("give --arg dropout=... --arg width=3", "give arguments={'dropout': ..., 'width': 3}"),
        ("in a new --study", "in a new study"),
        ("give --data a path that may be read", "give data a path that may be read"),
        ("--require: 'x'", "constraints: 'x'"),
        ("uv run --extra ray search.py", "uv run --extra ray search.py"),
        ("a--data b", "a--data b"),
    ],
)
def test_flags_become_keywords_where_they_are_some(text: str, said: str) -> None:
    assert in_keywords(text, KNOWN) == said


def test_an_unknown_keyword_is_named_as_it_was_given() -> None:
    with pytest.raises(UnusableInputError, match=r"^early_stop: 3: unknown key: "):
        nas.launch(data="digits", early_stop=3)  # type: ignore[call-arg]


def test_functions_on_studies_name_keywords(tmp_path: Path) -> None:
    reason = "launch a search, or give storage$"
    with pytest.raises(UnusableInputError, match=reason):
        nas.enqueue("seed", storage=tmp_path / "none.log")
    with pytest.raises(UnusableInputError, match=reason), nas.open_study(tmp_path / "none.log"):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_device_is_advised_as_a_keyword(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"can use: take device='cpu'$"):
        nas.launch(data="digits", space="tiny", trials=1, device="cuda", storage=str(tmp_path / "journal.log"))
