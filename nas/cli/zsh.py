"""What typer's completion script for zsh can show."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

_QUOTES = str.maketrans(dict.fromkeys("'\"", "\N{RIGHT SINGLE QUOTATION MARK}"))
"""Typer doubles quotes, which zsh reads as the end of a text and the beginning of the next: it drops them."""
_BROKEN = set("'\"\\")


def is_zsh() -> bool:
    """Whether a zsh asks for completions."""
    return "complete_zsh" in os.environ.values()


def pairs(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Values with their descriptions; a value that zsh would insert as another text is left out."""
    return [(value, _legible(words)) for value, words in found if not _BROKEN & set(value)]


def items(found: Iterable[Any]) -> list[Any]:
    """Typer's items, without broken ones, and with legible help."""
    kept = [item for item in found if not _BROKEN & set(item.value)]
    for item in kept:
        item.help = _legible(item.help or "")
    return kept


def _legible(words: str) -> str:
    return words.translate(_QUOTES).strip()
