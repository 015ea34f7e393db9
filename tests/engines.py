"""Searches and checks in this process, for tests that are not about processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Set
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from constraints.cli import validate
from constraints.owners import is_users
from constraints.report import Report
from constraints.sandbox.child import check_target
from constraints.sandbox.parent import CheckOutcome, Sandbox
from constraints.sandbox.request import Request
from nas.search import resources
from nas.search.engine import Placement
from nas.space import best_draws, new_networks
from nas.training import datasets

T = TypeVar("T")


@dataclass
class HereEngine:
    """An engine of this process: what is submitted is done at once."""

    slots: int = 1
    ended: bool = False

    def threads(self, count: int) -> int:
        return 1

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


def search_in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Spare each launch the seconds in which a worker process loads torch, and each proposal all but a few draws."""
    patch.setattr(resources, "LocalEngine", lambda places, **_: HereEngine(slots=len(places)))
    patch.setattr(new_networks, "PROXY_DRAWS", 64)
    patch.setattr(best_draws, "ROUNDS", 1)


def few_digits(patch: pytest.MonkeyPatch) -> None:
    """Leave 300 of scikit-learn's 1,797 digits, for tests that are not about accuracies."""
    images, labels = datasets.digits_table()
    patch.setattr(datasets, "digits_table", lambda: (images[:300], labels[:300]))


@contextmanager
def one_sandbox(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let all checks of this process have one sandbox, so that torch is loaded once for them."""
    with Sandbox() as sandbox:
        patch.setattr(validate, "check_file", sandbox.check)
        yield


def forget_users_modules(before: Set[str]) -> None:
    """Forget the user's modules that were imported since, which a child would take with it."""
    for name in sys.modules.keys() - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and is_users(str(Path(file).resolve())):
            del sys.modules[name]


def validate_in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Spare each check of a harmless model the child."""

    class Here(Sandbox):
        def check(self, request: Request) -> CheckOutcome:
            arguments = json.loads(json.dumps(request.job().arguments, default=os.fspath))
            before = set(sys.modules)
            found = check_target(arguments, lambda stage: None)
            forget_users_modules(before)
            report = Report.from_dict(found["report"], request.require)
            return CheckOutcome(report=report, printed="", follow_ups=found["follow_ups"])

    patch.setattr(validate, "check_file", Here().check)
    patch.setattr(validate, "Sandbox", Here)
