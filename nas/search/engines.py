"""Starts the engine that a launch's configuration names."""

from __future__ import annotations

from nas.config import LaunchConfig
from nas.search.engine import Engine
from nas.search.engine_choice import split, starter
from nas.search.stored import runs_folder


def engine(config: LaunchConfig, tasks: int | None = None) -> Engine:
    """The engine that trains the candidates of a launch; with few ``tasks``, each gets more cores.

    Raises UnusableInputError where a GPU is asked for and there is none, or a cluster cannot be reached.
    """
    _, place = split(config.engine)
    root, start = runs_folder(config.storage), starter(config.engine).start
    return start(place, root=root, workers=config.workers, device=config.device, tasks=tasks)


def machine_name(config: LaunchConfig) -> str:
    """The machine that trains, in words."""
    return starter(config.engine).machine(config.device)
