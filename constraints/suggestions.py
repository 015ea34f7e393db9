"""What to say of a name that is unknown: the nearest that are known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_MOST = 3
_CUTOFF = 0.6
_APART = 0.15
"""By how much another name may be further away than the nearest."""


def nearest(name: str, known: Iterable[str], otherwise: str = "", cutoff: float = _CUTOFF) -> str:
    """``did you mean params?`` where known names are near; else ``otherwise``, or all that are known.

    ``cutoff`` is the least likeness of a near one, by difflib's ratio: 1 is an equal name.
    """
    names = [*dict.fromkeys(known)]
    near = get_close_matches(name, names, n=_MOST, cutoff=cutoff)
    near = [other for other in near if _likeness(other, name) >= _likeness(near[0], name) - _APART]
    return f"did you mean {', '.join(near)}?" if near else otherwise or f"use one of {', '.join(names)}"


def _likeness(known: str, name: str) -> float:
    return SequenceMatcher(None, known, name).ratio()
