"""Python names that encode the texts of networks; loads no torch."""

from __future__ import annotations

_PREFIX = "network_"


def name_of(text: str) -> str:
    """The attribute of ``nas.architecture.written`` for the network of a text."""
    return _PREFIX + text.encode().hex()


def text_of(name: str) -> str:
    """The text of ``name_of``; raises ValueError for another name."""
    if not name.startswith(_PREFIX):
        raise ValueError(f"not the name of a network: {name}")
    return bytes.fromhex(name.removeprefix(_PREFIX)).decode()
