"""A study keeps the precision that a worker measured first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.cpu import cpu_class
from nas.search import auto_precision as agreeing
from nas.search.auto_precision import precisions
from nas.search.engine import MAX_DEATHS
from nas.search.study import PRECISIONS
from nas.training import precision
from nas.training.cpu_timing import PrecisionTiming
from tests.engines import HereEngine


class DyingEngine(HereEngine):
    """An engine whose first workers die."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.deaths = deaths

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        if not self.deaths:
            return super().submit(function, *args)
        self.deaths -= 1
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool("gone"))
        return future


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def nothing() -> None:
    pass


def test_a_study_keeps_its_precision_whatever_is_measured_later(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for float32 in (2.0, 1.0):
        monkeypatch.setattr(precision, "timing", lambda: PrecisionTiming(float32=float32, bfloat16=1.0))  # noqa: B023
        found.append(precisions(study, HereEngine(), nothing))
    assert found == [{cpu_class(): "bfloat16"}] * 2
    assert study.user_attrs[PRECISIONS] == found[0]
    monkeypatch.setattr(agreeing, "cpu_class", lambda: "another")
    assert precisions(study, HereEngine(), nothing) == {cpu_class(): "bfloat16", "another": "float32"}


def test_where_all_is_known_no_worker_is_asked(study: optuna.Study) -> None:
    study.set_user_attr(PRECISIONS, {cpu_class(): "float32"})
    assert precisions(study, DyingEngine(MAX_DEATHS), nothing) == {cpu_class(): "float32"}


def test_a_worker_that_dies_is_replaced_until_it_is_too_many(study: optuna.Study) -> None:
    assert set(precisions(study, DyingEngine(MAX_DEATHS - 1), nothing)) == {cpu_class()}
    other = optuna.create_study()
    with pytest.raises(UnusableInputError, match=r"no worker can begin: 3 of them died at once: free memory"):
        precisions(other, DyingEngine(MAX_DEATHS), nothing)
    assert PRECISIONS not in other.user_attrs


def test_another_machine_answers_for_itself_and_changes_nothing_known(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.set_user_attr(PRECISIONS, {"of the cluster": "float32"})
    monkeypatch.setattr(agreeing, "measure", lambda placement: ("of the cluster", "bfloat16"))
    assert precisions(study, HereEngine(), nothing) == {"of the cluster": "float32"}


def test_the_hold_is_kept_while_a_worker_measures(study: optuna.Study) -> None:
    class Slow(HereEngine):
        def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
            self.asked, self.future = (function, args), Future[Any]()
            return self.future

        def wait(self, futures: Any, seconds: float) -> None:
            self.future.set_result(("x", "float32"))

    held = []
    assert precisions(study, Slow(), lambda: held.append(1)) == {"x": "float32"}
    assert held == [1]
