"""Search for small networks under hard constraints: ``import nas``; docs/api.md describes every name.

The names load on first use, so that reading a leaderboard needs neither torch nor Optuna.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.api.queueing import enqueue, open_study
    from nas.api.searching import Search, confirm, launch
    from nas.api.training import train
    from nas.api.viewing import export, leaderboard, report, show
    from nas.architecture.model import build
    from nas.architecture.named import architecture as parse
    from nas.architecture.spec import Architecture
    from nas.config import LaunchConfig
    from nas.results.displayed import Board, TrialCard
    from nas.results.rows import Row
    from nas.search.confirmation import Confirmation
    from nas.search.enqueueing import Queue
    from nas.search.suggestion import suggest
    from nas.space.sampler import FeasibleSampler, SpaceExhaustedError

    __version__: str

__all__ = [
    "Architecture",
    "Board",
    "Confirmation",
    "FeasibleSampler",
    "LaunchConfig",
    "Queue",
    "Row",
    "Search",
    "SpaceExhaustedError",
    "TrialCard",
    "__version__",
    "build",
    "confirm",
    "enqueue",
    "export",
    "launch",
    "leaderboard",
    "open_study",
    "parse",
    "report",
    "show",
    "suggest",
    "train",
]

_HOMES = {
    "Architecture": ("architecture.spec", "Architecture"),
    "Board": ("results.displayed", "Board"),
    "Confirmation": ("search.confirmation", "Confirmation"),
    "FeasibleSampler": ("space.sampler", "FeasibleSampler"),
    "LaunchConfig": ("config", "LaunchConfig"),
    "Queue": ("search.enqueueing", "Queue"),
    "Row": ("results.rows", "Row"),
    "Search": ("api.searching", "Search"),
    "SpaceExhaustedError": ("space.sampler", "SpaceExhaustedError"),
    "TrialCard": ("results.displayed", "TrialCard"),
    "build": ("architecture.model", "build"),
    "confirm": ("api.searching", "confirm"),
    "enqueue": ("api.queueing", "enqueue"),
    "export": ("api.viewing", "export"),
    "launch": ("api.searching", "launch"),
    "leaderboard": ("api.viewing", "leaderboard"),
    "open_study": ("api.queueing", "open_study"),
    "parse": ("architecture.named", "architecture"),
    "report": ("api.viewing", "report"),
    "show": ("api.viewing", "show"),
    "suggest": ("search.suggestion", "suggest"),
    "train": ("api.training", "train"),
}
"""Public name -> (module, name in it); no module of this package may have a public name."""

if not TYPE_CHECKING:  # with __getattr__, a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("nas.version").version()
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, there = _HOMES[name]
        with warnings.catch_warnings():  # tqdm, which Optuna loads, warns in notebooks about missing widgets
            warnings.filterwarnings("ignore", message="IProgress not found")
            return getattr(import_module(f"{__name__}.{module}"), there)


def __dir__() -> list[str]:
    """The public names, which a notebook completes: neither what is imported here nor modules."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
