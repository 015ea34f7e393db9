"""Suggest similar known names for an unknown name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_MOST = 3
_CUTOFF = 0.6
_APART = 0.15
"""Largest difference in similarity between the best suggestion and a further one."""


def nearest(name: str, known: Iterable[str], otherwise: str = "", cutoff: float = _CUTOFF) -> str:
    """``did you mean params?`` if there are similar known names; else ``otherwise``, or all known names.

    ``cutoff`` is the minimum similarity by difflib's ratio, where 1 means equal names.
    """
    names = [*dict.fromkeys(known)]
    near = get_close_matches(name, names, n=_MOST, cutoff=cutoff)
    near = [other for other in near if _likeness(other, name) >= _likeness(near[0], name) - _APART]
    return f"did you mean {', '.join(near)}?" if near else otherwise or f"use one of {', '.join(names)}"


def _likeness(known: str, name: str) -> float:
    return SequenceMatcher(None, known, name).ratio()
