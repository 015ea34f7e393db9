from __future__ import annotations

import fcntl
import os
import struct
import termios
from pathlib import Path

import pytest

from nas.cli.common import (
    InterruptedCommandError,
    expressions,
    interruptible,
    wide_console,
)


def test_an_interruption_says_what_is_left() -> None:
    expected = pytest.raises(InterruptedCommandError, match=r"^interrupted: nothing was written$")
    with expected as caught, interruptible("nothing was written"):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130


def test_constraints_come_from_a_file_then_from_flags(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('require = ["params < 200k"]')
    assert expressions(["macs < 1M"], file) == ["params < 200k", "macs < 1M"]
    assert expressions([], None) is None


def test_a_pipe_is_120_columns_wide_unless_asked_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wide_console().width == 120
    monkeypatch.setenv("COLUMNS", "90")
    assert wide_console().width == 90


@pytest.mark.parametrize(("columns", "expected"), [(80, 80), (100, 100), (200, 120)])
def test_a_pipe_is_as_wide_as_the_terminal_that_its_reader_shows_it_on(
    monkeypatch: pytest.MonkeyPatch, columns: int, expected: int
) -> None:
    """As behind ``search.py show best | less``."""
    ours, other = os.openpty()
    with os.fdopen(ours), os.fdopen(other, "w") as terminal:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.setattr("sys.stderr", terminal)
        assert wide_console().width == expected
