"""Where candidates train: what every engine does, behind concurrent.futures' shape."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

MAX_DEATHS = 3
"""How often a piece of work may take its worker down before it counts as failed."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What a worker may use: a device as torch names it, and a number of threads."""

    device: str
    threads: int


class Engine(Protocol):
    """Runs functions elsewhere; ``BrokenProcessPool`` from a future means that its worker died."""

    @property
    def slots(self) -> int:
        """How many pieces of work it does at once; of a cluster that may change."""

    def threads(self, count: int) -> int:
        """Threads for each of ``count`` pieces of work that have all cores to themselves."""

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call ``function(placement, *args)`` on a free worker."""

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Return when one of ``futures`` is done, or after ``seconds``."""

    def shutdown(self) -> None:
        """End the workers at once; what they were doing is lost."""


class Starter(Protocol):
    """The module of an engine, which ``nas.search.engine_choice`` names."""

    def check(self, device: str) -> None:
        """Raise UnusableInputError for what can be known to be missing before any data is read."""

    def start(self, place: str | None, *, root: Path, workers: int | None, device: str, tasks: int | None) -> Engine:
        """Start the engine; ``place`` is what follows its name and a colon, ``root`` the folder of all studies' files.

        ``workers`` None are as many as there is room for, of few ``tasks`` fewer, each with more cores. Raises
        UnusableInputError where a GPU is asked for and there is none, or what runs it cannot be reached.
        """

    def machine(self, device: str) -> str:
        """What trains, in words."""
