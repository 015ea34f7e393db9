"""What search.py itself does: flags in, exit code and one line out."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import nas
import search
from nas.cli import machine

FAULT = "error: a fault of this tool: ZeroDivisionError: division by zero (test_search.py:"


@pytest.fixture
def _faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    def doctor(*_: object, **__: object) -> int:
        return int(1 / 0)

    monkeypatch.setattr(machine, "doctor", doctor)


@pytest.mark.usefixtures("_faulty")
def test_a_fault_of_the_tool_is_one_line_that_says_how_to_report_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["doctor"]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(FAULT)
    assert err.endswith("): run it again with --debug, and report what that prints\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("chain", ["cause", "context"])
def test_ctrl_c_that_a_library_makes_an_error_of_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], chain: str
) -> None:
    def doctor(*_: object, **__: object) -> int:
        try:
            raise KeyboardInterrupt
        except BaseException as error:
            if chain == "cause":
                raise RuntimeError("cannot export") from error
            raise RuntimeError("cannot export") from ValueError("of another chain")

    monkeypatch.setattr(machine, "doctor", doctor)
    assert search.run(["doctor"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.usefixtures("_faulty")
def test_with_debug_the_traceback_is_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["doctor", "--debug"]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith(FAULT)
    assert lines[-1].endswith("): report it with the lines above")


def test_an_unknown_flag_is_unusable(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["doctor", "--colour"]) == 2
    assert capsys.readouterr().err == "error: no such option: --colour: leave it out: see search.py doctor --help\n"


def test_the_version_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["--version"]) == 0
    assert capsys.readouterr().out == f"{nas.__version__}\n"


def test_a_long_value_is_cut_in_the_middle_of_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["leaderboard", "--storage", "b" * 4000]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: no storage at {'b' * 120}...{'b' * 79}: nothing was launched here: ")


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EACCES, errno.ENOSPC])
def test_what_the_system_refuses_is_no_fault_of_the_tool(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def doctor(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number), "here")

    monkeypatch.setattr(machine, "doctor", doctor)
    assert search.run(["doctor"]) == 2
    expected = f"error: cannot read or write here: {os.strerror(number)}: give another path, or make room\n"
    assert capsys.readouterr().err == expected


def test_without_a_working_folder_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert search.run(["recipes"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: no working folder: No such file or directory: cd to one that is there\n")
