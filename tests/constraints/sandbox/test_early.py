"""A guard starts together with a program that will check a model, and serves its first request."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from constraints.sandbox import early


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    early._end()


def test_the_first_who_asks_takes_it_and_it_serves() -> None:
    early.begin(["validate", "net.py"])
    guard = early.taken()
    assert guard is not None
    assert early.taken() is None
    assert guard.serves()
    guard.end()
    assert guard.process.poll() is not None


def test_one_that_nobody_takes_is_ended() -> None:
    early.begin(["validate", "net.py"])
    (guard,) = early._waiting
    early._end()
    assert guard.process.poll() is not None


def test_one_that_would_be_started_otherwise_now_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    early.begin(["validate", "net.py"])
    (guard,) = early._waiting
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert early.taken() is None
    assert guard.process.poll() is not None


@pytest.mark.parametrize("words", [[], ["validate"], ["validate", "--help"], ["leaderboard", "validate"]])
def test_nothing_starts_for_other_commands(words: list[str]) -> None:
    early.begin(words)
    assert early.taken() is None


def test_an_interrupt_while_the_program_ends_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(early, "_end", lambda: signal.raise_signal(signal.SIGINT))
    try:
        early._leave()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
