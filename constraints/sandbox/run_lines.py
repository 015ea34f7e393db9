"""The lines of a notebook's cell that run other files (``%run``); no torch."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from constraints.sandbox.cells import NOTEBOOK

_RUN = re.compile(r"[ \t]*%run[ \t]+(?P<words>.*)")
_MAIN = ("__name__ == '__main__'", "'__main__' == __name__")


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """A line that runs a file."""

    number: int
    """Its number in the cell, from 1."""
    path: str
    """The file as it is written there."""
    is_main: bool
    """Whether the file runs as the main program, as it does without ``-n``."""


def run_lines(text: str, python: str) -> Iterator[RunLine]:
    """The lines of a cell that run files; ``python`` is its Python, where such a line is a ``pass``.

    Lines inside of strings, and those of cells in another language, are not among them.
    """
    for number, (line, kept) in enumerate(zip(text.splitlines(), python.splitlines(), strict=False), 1):
        if line != kept and kept.strip() == "pass" and (found := _RUN.match(line)):
            words = _words(found["words"].rstrip("\\"))
            paths = [word for word in words if not word.startswith("-")]
            if paths:
                options = words[: words.index(paths[0])]
                yield RunLine(number=number, path=paths[0], is_main="-n" not in options)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:  # a quote that is not closed
        return text.split()


def python_name(name: str) -> str:
    """The name of a file that ``%run`` means; the ending ``.py`` may be left out."""
    return name if name.endswith((".py", NOTEBOOK)) else f"{name}.py"


def path_of(place: Path) -> Path | None:
    """The file that ``%run`` means."""
    found = Path(python_name(str(place)))
    try:
        return found if found.is_file() else None
    except OSError:  # a name that is too long
        return None


def main_line(statements: Sequence[ast.stmt]) -> int | None:
    """The line of the first block that only a main program runs."""
    tests = (s for s in statements if isinstance(s, ast.If) and isinstance(s.test, ast.Compare))
    return next((s.lineno for s in tests if ast.unparse(s.test) in _MAIN), None)
