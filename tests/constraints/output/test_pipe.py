"""A command ends silently if the program that reads its output has ended; other errors are still reported."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import search
from constraints.output.pipe import is_closed, let_go
from nas.cli import machine
from nas.version import version

ROOT = Path(__file__).parents[3]


def test_a_stream_is_closed_once_its_reader_has_ended(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream, (tmp_path / "file").open("w", encoding="utf-8") as file:
        assert [is_closed(one) for one in (stream, file, io.StringIO())] == [False] * 3
        assert not let_go(stream)
        os.close(reader)
        assert is_closed(stream)
        assert let_go(file, stream)
        print("nowhere", file=stream, flush=True)


@pytest.mark.parametrize("line", ["recipes", "recipes --format json", "recipes --help"])
def test_a_command_ends_without_a_word_where_nobody_reads_it(line: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, str(ROOT / "search.py"), *line.split()]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_an_output_that_cannot_be_written_is_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 (a device)
        command = [sys.executable, str(ROOT / "search.py"), "recipes"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    line = "error: cannot read or write a file: No space left on device: give another path, or make room\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_a_pipe_to_something_else_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def doctor(*_: object, **__: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", sys.stdout)  # for which typer puts another
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(machine, "doctor", doctor)
    assert search.run(["doctor"]) == 4
    assert capsys.readouterr().err.startswith("error: a fault of this tool: BrokenPipeError: [Errno 32] Broken pipe (")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_was_never_open_is_no_fault(redirection: str, tmp_path: Path) -> None:
    command = f'"$0" "$1" recipes default --format toml {redirection} && exec "$0" "$1" --version'
    words = ["sh", "-c", command, sys.executable, str(ROOT / "search.py")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"{version()}\n")
    assert ("phases" in done.stdout) == (redirection == "2>&-")


def test_a_program_that_is_started_has_the_streams_that_were_never_open() -> None:
    child = "import sys; sys.exit(sum(stream is None for stream in (sys.stdin, sys.stdout, sys.stderr)))"
    code = (
        "import os, sys; from constraints.output.pipe import open_closed; open_closed(); "
        f"os.execv(sys.executable, [sys.executable, '-c', {child!r}])"
    )
    words = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(words, check=False, cwd=ROOT).returncode == 0
