"""Which engines ``--engine`` names; the module of one loads when a launch uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from nas.search.engine import Starter


@dataclass(frozen=True, kw_only=True)
class EngineKind:
    """An engine: the module that starts it (``nas.search.engine.Starter``), and what may follow its name."""

    module: str
    place: str = ""
    """What may follow the name and a colon, as shown to users; empty where nothing may."""
    pattern: str = ""
    """The same as a regular expression."""
    is_here: bool = False
    """Whether its workers are processes on this machine."""


KINDS: Mapping[str, EngineKind] = MappingProxyType(
    {
        "local": EngineKind(module="nas.search.resources", is_here=True),
        "ray": EngineKind(module="nas.search.ray_engine", place="HOST:PORT", pattern=r"[^\s/]+:\d{1,5}"),
    }
)


def forms() -> str:
    """All that may be given: ``local, ray or ray:HOST:PORT``."""
    known = [text for name, one in KINDS.items() for text in (name, *([f"{name}:{one.place}"] if one.place else []))]
    return f"{', '.join(known[:-1])} or {known[-1]}"


def split(text: str) -> tuple[str, str | None]:
    """``NAME[:PLACE]`` split into its two parts; ValueError for anything else."""
    name, colon, place = text.partition(":")
    if name not in KINDS or (colon and not (KINDS[name].pattern and re.fullmatch(KINDS[name].pattern, place))):
        raise ValueError(f"give {forms()}")
    return name, place if colon else None


def is_here(text: str) -> bool:
    """Whether the workers of an engine are processes on this machine."""
    return KINDS[split(text)[0]].is_here


def starter(text: str) -> Starter:
    """The module that starts an engine, imported."""
    return cast("Starter", import_module(KINDS[split(text)[0]].module))
