"""Which texts are names of champions; does not read the champions' file."""

from __future__ import annotations

import re

PREFIX = "champion-"
_SUFFIX = re.compile(r"\.[A-Za-z_]\w*$")
"""The ending of a file's name, as in ``champion-net.pt2``; the point in ``champion-0.2M`` belongs to a number."""


def is_champion(text: str) -> bool:
    """Whether a text has the form of a champion's name (an entry's, or a limit of parameters), not of a file's."""
    name = text.strip()
    return name.startswith(PREFIX) and not {"/", "\\", ":"} & set(name) and not _SUFFIX.search(name)


def module_of(name: str) -> str:
    """The ``validate`` target for the champion with an entry's name (see ``nas.champions.networks``)."""
    return f"nas.champions.networks:{name.replace('-', '_')}"
