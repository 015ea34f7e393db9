"""Which texts are names of champions, told without reading their file."""

from __future__ import annotations

PREFIX = "champion-"


def is_champion(text: str) -> bool:
    """Whether a text is written as a champion's name, of an entry or of a limit of parameters."""
    return text.strip().startswith(PREFIX) and not {"/", ":"} & set(text)
