"""Read a user's file as statements, a notebook's cells included, without running it; no torch."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.sandbox.cells import NOTEBOOK, cells, python_of
from constraints.sandbox.source_text import BOM, check_encoding, decoded
from constraints.sandbox.syntax_errors import remedy_of

AWAITING = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
"""The compiler's flag for cells of notebooks, which may await outside of functions."""
_RUNS = re.compile(r"^[ \t]*%run[ \t]+(?:-\w+[ \t]+)*(?P<quote>[\"']?)(?P<path>[^\s\"'#]+)(?P=quote)", re.MULTILINE)
"""A line of a cell that runs another file."""
_WRITES = re.compile(
    r"\s*%%(?:writefile|file)\s+(?:-a\s+)?[\"']?(?:\./)?(?P<path>[^\"'\n]+\.py)[\"']?\s*\n(?P<text>.*)", re.DOTALL
)
"""A cell that writes a Python file."""


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
    is_of_another: bool = False
    """Whether it is from a file that a cell runs (``%run``)."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The Python of a file."""

    parts: tuple[SourcePart, ...]
    warnings: tuple[str, ...] = ()
    """The parts of a notebook that are not Python and were left out."""
    is_notebook: bool = False
    written: Mapping[str, str] = field(default_factory=dict)
    """Path -> text of the Python files that cells write."""
    others: tuple[tuple[Path, Source], ...] = ()
    """The files that cells run, whose parts are among ``parts``."""

    def files(self, file: Path) -> tuple[tuple[Path, Source], ...]:
        """This source as that of ``file``, and those of the files that it runs."""
        return ((file, self), *(pair for path, other in self.others for pair in other.files(path)))

    @property
    def own_parts(self) -> tuple[SourcePart, ...]:
        """The parts of the file itself."""
        return tuple(part for part in self.parts if not part.is_of_another)

    @property
    def tree(self) -> ast.Module:
        """All statements, in order."""
        return ast.Module(body=[s for part in self.parts for s in part.statements], type_ignores=[])


def read(file: Path, text: str | None = None) -> Source:
    """The statements of a ``.py`` file or a notebook, or of ``text`` in place of its content.

    Raises UnusableInputError with the line of a syntax error.
    """
    try:
        data = file.read_bytes() if text is None else text.removeprefix(BOM)
    except OSError as error:
        what = "give an existing .py or .ipynb"
        raise UnusableInputError(f"cannot read the file: {str(file)!r}: {error.strerror}: {what}") from error
    return _notebook(file, data) if file.suffix == NOTEBOOK else _script(file, data)


def _script(file: Path, data: bytes | str) -> Source:
    """A ``.py`` file; lines of shell and magic, as in a notebook that was saved as a script, are left out."""
    if isinstance(data, bytes):
        check_encoding(file, data)
    try:
        return Source(parts=(_file(file, data),))
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


def _notebook(file: Path, data: bytes | str, around: tuple[Path, ...] = ()) -> Source:
    parts, warnings, shell, written = list[SourcePart](), list[str](), 0, dict[str, str]()
    others: list[tuple[Path, Source]] = []
    for number, text in cells(file, data):
        name = f"{file}, cell {number}"
        if file_written := _WRITES.match(text):
            path = file_written["path"].strip()
            before = written.get(path, "") if " -a " in text.partition("\n")[0] else ""
            written[path] = f"{before}{file_written['text']}\n"
            continue
        python, left_out = python_of(text)
        runs = list(_RUNS.finditer(text)) if left_out else []
        for run in runs:
            path, own = _path_of(file.parent / run["path"]), _python_name(run["path"]).removeprefix("./")
            if own in written:
                parts.append(_run_part(own, written[own]))
                continue
            if path is None or path.resolve() in (*around, file.resolve()):
                warnings.append(
                    f"{name}: %run {run['path']} left out: there is no such file: put it beside the notebook"
                )
                continue
            other = _run_by(path, (*around, file.resolve()))
            others.append((path, other))
            parts += [replace(part, is_of_another=True) for part in other.parts]
            warnings += [f"{name}: run here, as %run asks: {path}", *other.warnings]
        shell += left_out - len(runs)
        try:
            statements = tuple(_parsed(python, name, AWAITING).body)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            warnings.append(f"{name}: left out, because it is not Python: line {line}: {getattr(error, 'msg', error)}")
        else:
            parts.append(SourcePart(name=name, text=python, statements=statements, cell=number))
    if written:
        warnings.append(f"{file}: imported from the cells that write them: {', '.join(written)}")
    if shell:
        warnings.append(_of_shell(file, shell))
    return Source(parts=tuple(parts), warnings=tuple(warnings), is_notebook=True, written=written, others=tuple(others))


def _path_of(place: Path) -> Path | None:
    """The file that ``%run`` means."""
    found = Path(_python_name(str(place)))
    return found if found.is_file() else None


def _python_name(name: str) -> str:
    """The name of a file that ``%run`` means; the ending ``.py`` may be left out."""
    return name if name.endswith((".py", NOTEBOOK)) else f"{name}.py"


def _run_part(name: str, text: str) -> SourcePart:
    """A Python file that one cell writes and another one runs."""
    return SourcePart(name=name, text=text, statements=_file(Path(name), text).statements, is_of_another=True)


def _run_by(file: Path, around: tuple[Path, ...]) -> Source:
    """A file that a cell runs; ``around`` are the notebooks that run it."""
    if file.suffix == NOTEBOOK:
        return _notebook(file, file.read_bytes(), around)
    source, text = read(file), decoded(file)[0].removeprefix(BOM)
    return replace(source, parts=tuple(replace(part, text=part.text or text) for part in source.parts))
