"""Completion in a real zsh: what it lists, and what it inserts."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from nas.cli import zsh
from nas.search.storage import close_storage, open_storage

ROOT = Path(__file__).parents[3]
PATIENCE = 300.0
"""Seconds within which a shell answers on the busiest machine."""


class Shell:
    """An interactive zsh that reads no files of its user."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("zsh")
        if found is None:
            missing = "no zsh: apt-get install zsh"
            if "CI" in os.environ:
                pytest.fail(missing)
            pytest.skip(missing)
        program = folder / "nas"
        code = "import sys; sys.argv[0] = 'nas'; from nas.entry import main; sys.exit(main())"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "{code}" "$@"\n')
        program.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(folder)}
        self.pid, self._end = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.execve(found, [found, "-f", "-i"], environment)
        self._said = ""

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def until(self, pattern: str) -> str:
        """What it printed since the last call, up to a pattern."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self._said)):
            assert time.monotonic() < end, self._said
            if select.select([self._end], [], [], 1.0)[0]:
                self._said += os.read(self._end, 65_536).decode(errors="replace")
        said, self._said = self._said[: found.end()], self._said[found.end() :]
        return said

    def close(self) -> None:
        os.close(self._end)
        os.waitpid(self.pid, 0)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    storage = open_storage(str(tmp_path / "here.log"), write=True)
    for name in ("second", "it's"):
        optuna.create_study(storage=storage, study_name=name)
    close_storage(storage)
    started = Shell(tmp_path)
    started.type("autoload -Uz compinit; compinit -u -D; PROMPT='ready> '; LISTMAX=1000\n")
    started.type("eval \"$(env _NAS_COMPLETE=source_zsh nas)\"; echo loa''ded\n")
    started.until("loaded")
    yield started
    started.close()


def test_descriptions_have_their_apostrophes_and_values_are_inserted_as_they_are(shell: Shell) -> None:
    shell.type("nas leaderboard --st\t")
    listed = shell.until(r"--study .*name of the study")
    assert "a database\N{RIGHT SINGLE QUOTATION MARK}s URL" in listed, listed
    shell.type("\x15nas show --storage here.log --study s\t")
    shell.until("--study second")
    shell.type("\x15nas show --storage here.log --study i\t END\n")
    assert "its" not in shell.until("END"), "no study has that name"


def test_what_zsh_would_insert_as_another_text_is_left_out() -> None:
    assert zsh.pairs([("it's", "one's own"), ("plain", 'as "told"'), ("a\\b", "")]) == [
        ("plain", "as \N{RIGHT SINGLE QUOTATION MARK}told\N{RIGHT SINGLE QUOTATION MARK}")
    ]
