"""The champions as modules: ``nas.champions.networks:champion_wide`` is the target of ``champion-wide``."""

from __future__ import annotations

from constraints.errors import UnusableInputError
from nas.architecture.formats import load
from nas.architecture.model import Network
from nas.architecture.spec import parse
from nas.champions.names import is_champion
from nas.champions.registry import find


def __getattr__(name: str) -> Network:
    """The champion whose name is given with underscores, in eval mode, with its weights if they ship."""
    text = name.replace("_", "-")
    if not is_champion(text):
        raise AttributeError(f"no such champion: {text}")
    try:
        champion = find(text)
    except UnusableInputError as error:  # ``hasattr`` and whatever else looks for attributes takes no other
        raise AttributeError(str(error)) from None
    return load(parse(champion.architecture), champion.path)
