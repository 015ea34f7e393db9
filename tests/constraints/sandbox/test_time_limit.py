"""A statement that takes too long is ended in the main thread, and its seconds are counted."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from constraints.sandbox.time_limit import TooLongError, at_most


def _turn_forever() -> None:
    while True:
        pass


def test_a_loop_is_ended_and_the_handler_of_before_is_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TooLongError, match=r"it ran for 0\.05 s at import: put it under if __name__"), at_most(0.05):
        _turn_forever()
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_download_is_named_as_such() -> None:
    inside: dict[str, Any] = {"__name__": "urllib.request"}
    exec("def fetch():\n    while True:\n        pass", inside)
    with (
        pytest.raises(TooLongError, match=r"it was downloading for 0\.05 s at import: .*pretrained=False"),
        at_most(0.05),
    ):
        inside["fetch"]()


def test_without_a_limit_the_seconds_are_told() -> None:
    with at_most(None) as watch:
        first = watch()
    assert 0 <= first <= watch()


def test_what_a_users_handler_catches_is_not_it() -> None:
    assert not issubclass(TooLongError, Exception)
