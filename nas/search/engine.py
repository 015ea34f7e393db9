"""The interface of an engine, which runs trainings on workers; modelled on ``concurrent.futures``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

MAX_DEATHS = 3
"""How many times a task's worker may die before the task counts as failed."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What a worker may use: a torch device, and a number of threads."""

    device: str
    threads: int


class Engine(Protocol):
    """Runs functions elsewhere; ``BrokenProcessPool`` from a future means that its worker died."""

    @property
    def slots(self) -> int:
        """How many tasks it runs at once; in a cluster this may change."""

    def threads(self, count: int) -> int:
        """Threads for each of ``count`` tasks that share all cores."""

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call ``function(placement, *args)`` on a free worker."""

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Return when one of ``futures`` is done, or after ``seconds``."""

    def shutdown(self) -> None:
        """End the workers at once; what they were doing is lost."""


class Starter(Protocol):
    """The module of an engine, as ``nas.search.engine_choice`` lists them."""

    def check(self, device: str, workers: int | None) -> None:
        """Raise UnusableInputError for what is missing, or too many workers, before any data is read."""

    def start(self, place: str | None, *, root: Path, workers: int | None, device: str, tasks: int | None) -> Engine:
        """Start the engine; ``place`` is what follows its name and a colon, ``root`` the folder of all studies' files.

        ``workers`` None means as many as fit; with fewer ``tasks`` than that, fewer workers with more cores each.
        Raises UnusableInputError where a GPU is asked for and there is none, or where a cluster cannot be reached.
        """

    def machine(self, device: str) -> str:
        """The machine that trains, in words."""
