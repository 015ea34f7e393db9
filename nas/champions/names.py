"""Which texts are names of champions, known without reading their file."""

from __future__ import annotations

import re

PREFIX = "champion-"
_SUFFIX = re.compile(r"\.[A-Za-z_]\w*$")
"""Of a file, as in ``champion-net.pt2``; the point of ``champion-0.2M`` is one of a number."""


def is_champion(text: str) -> bool:
    """Whether a text is written as a champion's name, of an entry or of a limit of parameters, and not as a file's."""
    name = text.strip()
    return name.startswith(PREFIX) and not {"/", "\\", ":"} & set(name) and not _SUFFIX.search(name)


def module_of(name: str) -> str:
    """The target of ``validate`` that is the champion of an entry's name (``nas.champions.networks``)."""
    return f"nas.champions.networks:{name.replace('-', '_')}"
