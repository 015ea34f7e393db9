from __future__ import annotations

import io
import sys
import time

import pytest

from constraints.output.working import working


def test_what_is_done_is_logged_with_its_time_and_said_on_a_terminal_alone(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("INFO", "nas"), working("counting the space"):
        pass
    assert caplog.messages == ["counting the space: 0.00 s"]
    assert capsys.readouterr().err == ""


def test_a_terminal_says_what_is_done_and_is_left_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with working("counting the space"):
        while "counting the space" not in terminal.getvalue():
            time.sleep(0.01)  # it is drawn by a thread
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is erased
