"""Read a user's file as statements, a notebook's cells included, without running it; no torch."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.sandbox.cells import NOTEBOOK, cells, python_of
from constraints.sandbox.run_lines import RunLine, main_line, path_of, python_name, run_lines
from constraints.sandbox.source_text import BOM, check_encoding, decoded
from constraints.sandbox.syntax_errors import remedy_of

AWAITING = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
"""The compiler's flag for cells of notebooks, which may await outside of functions."""
_WRITES = re.compile(
    r"\s*%%(?:writefile|file)\s+(?:-a\s+)?[\"']?(?:\./)?(?P<path>[^\"'\n]+\.py)[\"']?\s*\n(?P<text>.*)", re.DOTALL
)
"""A cell that writes a Python file."""
_DEEPEST = 50
"""Number of notebooks that may run each other in a chain."""
_MOST_STATEMENTS = 20_000
"""Number of statements that all files which a notebook runs may have, each time that they are run."""


@dataclass(frozen=True, kw_only=True)
class SourcePart:
    """Statements of one file, or of one cell of a notebook."""

    name: str
    """Its name in errors: the file, with the number of the cell."""
    text: str
    """Empty where it is that of the file."""
    statements: tuple[ast.stmt, ...]
    cell: int = 0
    """Its number among a notebook's cells of code, from 1."""
    start: int = 0
    """How many lines of the text are of earlier parts; a cell has several where it runs a file between them."""
    is_of_another: bool = False
    """Whether it is from a file that a cell runs (``%run``)."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The Python of a file."""

    parts: tuple[SourcePart, ...]
    warnings: tuple[str, ...] = ()
    """What of a notebook is left out, or run from elsewhere."""
    unread: tuple[str, ...] = ()
    """The warnings about cells that are not Python."""
    is_notebook: bool = False
    written: Mapping[str, str] = field(default_factory=dict)
    """Path -> text of the Python files that cells write."""
    others: tuple[tuple[Path, Source], ...] = ()
    """The files that cells run, and those that these run, each once; their parts are among ``parts``."""

    def files(self, file: Path) -> tuple[tuple[Path, Source], ...]:
        """This source as that of ``file``, and those of the files that it runs."""
        return ((file, self), *self.others)

    @property
    def own_parts(self) -> tuple[SourcePart, ...]:
        """The parts of the file itself, one for each cell."""
        found = dict[int, SourcePart]()
        for part in self.parts:
            if not part.is_of_another:
                earlier = found.get(part.cell, replace(part, statements=(), start=0))
                found[part.cell] = replace(earlier, statements=(*earlier.statements, *part.statements))
        return tuple(found.values())

    @property
    def tree(self) -> ast.Module:
        """All statements, in order."""
        return ast.Module(body=[s for part in self.parts for s in part.statements], type_ignores=[])


def read(file: Path, text: str | None = None) -> Source:
    """The statements of a ``.py`` file or a notebook, or of ``text`` in place of its content.

    Raises UnusableInputError with the line of a syntax error.
    """
    data = _data(file) if text is None else text.removeprefix(BOM)
    return _Notebook(file).read(data) if file.suffix == NOTEBOOK else _script(file, data)


def _data(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        what = "give an existing .py or .ipynb"
        raise UnusableInputError(f"cannot read the file: {str(file)!r}: {error.strerror}: {what}") from error


def _script(file: Path, data: bytes | str) -> Source:
    """A ``.py`` file; lines of shell and magic, as in a notebook that was saved as a script, are left out."""
    if isinstance(data, bytes):
        check_encoding(file, data)
    try:
        part, left_out = _without_magic(_file(file, data))
        return Source(parts=(part,), warnings=(_of_shell(file, left_out),) if left_out else ())
    except UnusableInputError:
        try:
            python, left_out = python_of(data if isinstance(data, str) else decoded(file)[0])
            tree = _parsed(python, str(file))
        except (UnusableInputError, SyntaxError, ValueError):
            left_out = 0
        if not left_out:
            raise
    part = SourcePart(name=str(file), text=python, statements=tuple(tree.body))
    return Source(parts=(part,), warnings=(_of_shell(file, left_out),))


def _without_magic(part: SourcePart) -> tuple[SourcePart, int]:
    """A file without the statements into which ``jupyter nbconvert`` turns lines of shell and magic; their number."""
    kept = tuple(statement for statement in part.statements if not _is_magic(statement))
    return replace(part, statements=kept), len(part.statements) - len(kept)


def _is_magic(statement: ast.stmt) -> bool:
    """Whether this is ``get_ipython().run_line_magic(...)`` or the like, whose result is not used."""
    match statement:
        case ast.Expr(ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython"))))):
            return True
    return False


def _of_shell(file: Path, lines: int) -> str:
    return f"{file}: {lines} line{'s' * (lines > 1)} of shell or magic left out"


def _file(file: Path, data: bytes | str) -> SourcePart:
    try:
        tree = _parsed(data, str(file))
    except SyntaxError as error:
        where = f"{file}:{error.lineno or 1}"
        raise UnusableInputError(f"syntax error: {where}: {error.msg}: {remedy_of(error)}") from error
    except ValueError as error:
        raise UnusableInputError(f"not Python source: {str(file)!r}: {error}") from error
    return SourcePart(name=str(file), text="", statements=tuple(tree.body))


def _parsed(data: bytes | str, name: str, flags: int = 0) -> ast.Module:
    """The syntax of Python code; raises SyntaxError also for what only the compiler finds, as a stray ``return``."""
    tree = ast.parse(data, filename=name)
    with warnings.catch_warnings(action="ignore"), suppress(RecursionError):  # it is raised again where the code runs
        compile(tree, name, "exec", flags, dont_inherit=True)
    return tree


class _Notebook:
    """A notebook that is being read, with the files that it runs."""

    def __init__(
        self, file: Path, around: tuple[Path, ...] = (), known: MutableMapping[Path, Source] | None = None
    ) -> None:
        """``around`` are the notebooks that run it; ``known`` are the files that were read before."""
        self.file, self.around = file, (*around, file.resolve())
        self.known: MutableMapping[Path, Source] = {} if known is None else known
        self.parts: list[SourcePart] = []
        self.warnings: list[str] = []
        self.unread: list[str] = []
        self.written: dict[str, str] = {}
        self.others: dict[Path, Source] = {}
        self.shell, self.run_statements = 0, 0

    def read(self, data: bytes | str) -> Source:
        """Its source."""
        for number, text in cells(self.file, data):
            if found := _WRITES.match(text):
                path = found["path"].strip()
                before = self.written.get(path, "") if " -a " in text.partition("\n")[0] else ""
                self.written[path] = f"{before}{found['text']}\n"
            else:
                self._cell(number, text)
        if self.written:
            self.warnings.append(f"{self.file}: imported from the cells that write them: {', '.join(self.written)}")
        if self.shell:
            self.warnings.append(_of_shell(self.file, self.shell))
        return Source(
            parts=tuple(self.parts), warnings=tuple(dict.fromkeys(self.warnings)), is_notebook=True,
            written=self.written, others=tuple(self.others.items()), unread=tuple(self.unread),
        )  # fmt: skip

    def _cell(self, number: int, text: str) -> None:
        """Add a cell, in parts around the files that it runs; as in Jupyter, one with an error runs none."""
        python, left_out = python_of(text)
        part = SourcePart(name=f"{self.file}, cell {number}", text=python, statements=(), cell=number)
        self.shell += left_out
        try:
            body = _parsed(python, part.name, AWAITING).body
        except (SyntaxError, ValueError) as error:
            line, what = getattr(error, "lineno", None) or 1, getattr(error, "msg", error)
            self.unread.append(f"{part.name}: left out, because it is not Python: line {line}: {what}")
            self.warnings.append(self.unread[-1])
            return
        outermost = {s.lineno for s in body if isinstance(s, ast.Pass)}
        for run in run_lines(text, python):
            self.shell -= 1
            if run.number not in outermost:
                what = "whether it runs is not known before the code runs: do not indent it"
                self.warnings.append(f"{part.name}: %run {run.path} left out: {what}")
                continue
            before = tuple(s for s in body if part.start < s.lineno <= run.number)
            self.parts.append(replace(part, statements=before))
            self._run(part.name, run)
            part = replace(part, start=run.number)
        self.parts.append(replace(part, statements=tuple(s for s in body if s.lineno > part.start)))

    def _run(self, name: str, run: RunLine) -> None:
        """Add the parts of a file that a cell runs."""
        path, own = path_of(self.file.parent / run.path), python_name(run.path).removeprefix("./")
        if own in self.written:
            part = SourcePart(name=own, text=(text := self.written[own]), statements=_file(Path(own), text).statements)
            self._add((part,), run)
        elif path is None:
            what = "there is no such file: put it beside the notebook"
            self.warnings.append(f"{name}: %run {run.path} left out: {what}")
        elif path.resolve() in self.around:
            what = "that notebook is running already, so it would never end: take that line out"
            self.warnings.append(f"{name}: %run {run.path} left out: {what}")
        else:
            other = self._other(path)
            self.others |= {path: other, **dict(other.others)}
            self.warnings += [f"{name}: run here, as %run asks: {path}", *other.warnings]
            self._add(other.parts, run)

    def _add(self, parts: tuple[SourcePart, ...], run: RunLine) -> None:
        self.run_statements += sum(len(part.statements) for part in parts)
        if self.run_statements > _MOST_STATEMENTS:
            what = f"what its lines %run come to has more than {_MOST_STATEMENTS} statements"
            raise UnusableInputError(f"{what}: {str(self.file)!r}: run each file once")
        self.parts += [replace(part, is_of_another=True) for part in parts]
        for part in parts if run.is_main else ():
            if not part.is_of_another and (line := main_line(part.statements)):
                what = (
                    "left out, although %run enters it: if __name__ == '__main__': move what the model needs out of it"
                )
                self.warnings.append(f"{part.name}:{line}: {what}")

    def _other(self, path: Path) -> Source:
        """A file that a cell runs, which is read once."""
        if len(self.around) > _DEEPEST:
            what = f"notebooks that run each other in a chain of more than {_DEEPEST}"
            raise UnusableInputError(f"{what}: {str(path)!r}: put their code into fewer files")
        place = path.resolve()
        if place not in self.known:
            is_notebook = path.suffix == NOTEBOOK
            read_there = (
                _Notebook(path, self.around, self.known).read(_data(path)) if is_notebook else _run_script(path)
            )
            self.known[place] = read_there
        return self.known[place]


def _run_script(file: Path) -> Source:
    """A Python file that a cell runs, its parts with their text."""
    source, text = read(file), decoded(file)[0].removeprefix(BOM)
    return replace(source, parts=tuple(replace(part, text=part.text or text) for part in source.parts))
