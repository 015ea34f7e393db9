"""An engine for tests that are not about processes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from nas.search.engine import Placement

T = TypeVar("T")


@dataclass
class HereEngine:
    """An engine of this process: what is submitted is done at once."""

    slots: int = 1
    ended: bool = False

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(Placement(device="cpu", threads=1), *args))
        except Exception as error:
            future.set_exception(error)
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        assert all(future.done() for future in futures)

    def shutdown(self) -> None:
        self.ended = True
