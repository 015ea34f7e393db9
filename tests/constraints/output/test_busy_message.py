from __future__ import annotations

import io
import re
import sys
import threading
import time
from unittest import TestCase

import pytest

from constraints.output.busy_message import working


def test_what_is_done_is_logged_with_its_time_and_said_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TestCase().assertLogs("nas", "INFO") as logged, working("counting the space"):
        pass
    (record,) = logged.records
    assert re.fullmatch(r"counting the space: \d+\.\d\d s", record.getMessage())
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


def test_a_pipe_gets_no_line_however_long_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", file := io.StringIO())
    before = threading.active_count()
    with working("checking"):
        assert threading.active_count() == before, "no timer waits to print it"
    assert file.getvalue() == ""
