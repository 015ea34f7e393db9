"""The lines of cells that run other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.sandbox.cells import python_of
from constraints.sandbox.run_lines import path_of, run_lines


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("%run cfg.py", "cfg.py"),
        ("%run -i -t 'my conf.py' --lr 3", "my conf.py"),
        ('  %run "my conf.py"', "my conf.py"),
        ("%run my\\ conf.py  # as before", "my conf.py"),
        ("%run it's.py", "it's.py"),
    ],
)
def test_the_file_is_the_first_word_that_is_no_option(line: str, path: str) -> None:
    (found,) = run_lines(line, python_of(line.strip())[0])
    assert (found.number, found.path, found.is_main) == (1, path, True)


def test_a_line_without_a_file_runs_none() -> None:
    assert list(run_lines("%run\n%run -i", "pass\npass")) == []
    (found,) = run_lines("x = 1\n%run -n cfg", "x = 1\npass")
    assert (found.number, found.is_main) == (2, False)


def test_a_name_that_is_too_long_is_no_file(tmp_path: Path) -> None:
    assert path_of(tmp_path / ("x" * 300)) is None
    (tmp_path / "cfg.py").touch()
    assert path_of(tmp_path / "cfg") == tmp_path / "cfg.py"
