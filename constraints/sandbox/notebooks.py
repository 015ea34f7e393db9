"""Join a notebook's cells into one Python text, write it back into the notebook, or make a script of it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from constraints.errors import UnusableInputError
from constraints.sandbox.cells import NOTEBOOK, code_cells
from constraints.sandbox.slicing import needed
from constraints.sandbox.source import Source, SourcePart, read
from constraints.sandbox.source_text import BOM

_MARK = "# %% cell "
_MARKED = re.compile(rf"^{re.escape(_MARK)}(?P<number>\d+)\n", re.MULTILINE)
_LINE = re.compile(r"(?:(?P<file>[^\s:]+\.ipynb):|\bline )(?P<line>\d+)")
_INDENTS = (1, 2, 4, None, 0, 3, "\t")
_SEPARATORS = (None, (",", ":"))


def joined(source: Source) -> str:
    """The Python of all cells, each after a line with its number.

    Raises UnusableInputError for a cell that has such a line of its own.
    """
    for part in source.own_parts:
        if own := _MARKED.search(f"{part.text}\n"):
            raise UnusableInputError(f"a cell has a line {own[0].strip()!r}: take it out")
    return "".join(f"{_MARK}{part.cell}\n{part.text}\n" for part in source.own_parts)


def starts(source: Source) -> dict[str, int]:
    """Name of each cell -> how many lines of the joined text precede it; empty for a ``.py`` file."""
    found, lines = dict[str, int](), 0
    for part in source.own_parts if source.is_notebook else ():
        lines += 1
        found[part.name] = lines
        lines += part.text.count("\n") + 1
    return found


def with_text(notebook: str, source: Source, text: str) -> str:
    """The notebook with the cells of a changed joined text, its JSON formatted as before.

    Raises UnusableInputError for a notebook whose JSON is not formatted as any program saves it.
    """
    mark = BOM * notebook.startswith(BOM)
    notebook = notebook.removeprefix(BOM)
    document = json.loads(notebook)
    before, after = ({part.cell: part.text for part in source.own_parts}, dict(_cells(text)))
    for number, cell in enumerate(code_cells(document), 1):
        if number in before and after[number] != before[number]:
            key = "source" if "source" in cell else "input"
            new = _with_lines("".join(cell[key]), before[number], after[number])
            cell[key] = new.splitlines(keepends=True) if isinstance(cell[key], list) else new
    return mark + str(_laid_out_as(notebook)(document))


def placed(message: str, source: Source) -> str:
    """A message about lines of the joined text, with the line numbers of the cells instead."""
    lines = starts(source)

    def in_cell(found: re.Match[str]) -> str:
        number = int(found["line"])
        cell = max((name for name in lines if lines[name] < number), key=lines.__getitem__, default="")
        own, which = number - lines.get(cell, 0), cell.rpartition(", ")[2]
        return f"{found['file']}, {which}:{own}" if found["file"] else f"line {own} of {which}"

    return _LINE.sub(in_cell, message) if lines else message


def script(source: Source, name: str) -> str:
    """A Python file of the statements that a model needs, with their comments."""
    chosen = iter(needed(source.tree.body, name))
    future = [s for s in source.tree.body if _is_future(s)]
    first = "\n".join(dict.fromkeys(map(ast.unparse, future)))  # a file has them at its beginning alone
    return (
        "\n\n".join(filter(None, (first, *("".join(_kept(part, chosen)).strip("\n") for part in source.parts)))) + "\n"
    )


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _kept(part: SourcePart, chosen: Iterator[bool]) -> Iterator[str]:
    lines, last = part.text.splitlines(keepends=True), part.start
    shared = _on_shared_lines(part)
    for statement in part.statements:
        end = statement.end_lineno or statement.lineno
        if next(chosen) and not _is_future(statement):
            if statement in shared:
                yield "".join(lines[last : statement.lineno - 1]) + f"{ast.unparse(statement)}\n"
            else:
                text = "".join(lines[last:end])
                yield text if text.endswith("\n") else f"{text}\n"
        last = end


def _on_shared_lines(part: SourcePart) -> set[ast.stmt]:
    """The statements that share a line with another statement."""
    pairs = [(a, b) for a, b in pairwise(part.statements) if b.lineno <= (a.end_lineno or a.lineno)]
    return {statement for pair in pairs for statement in pair}


def tree_of(file: Path) -> ast.Module:
    """The syntax of a ``.py`` file, or of a notebook's joined text."""
    return ast.parse(joined(read(file)) if file.suffix == NOTEBOOK else file.read_bytes())


def _cells(text: str) -> Iterator[tuple[int, str]]:
    _, *found = _MARKED.split(text)
    for number, cell in zip(found[::2], found[1::2], strict=True):
        yield int(number), cell.removesuffix("\n")


def _with_lines(cell: str, before: str, after: str) -> str:
    """A cell with its Python changed from ``before`` to ``after``; its lines of shell and magic stay."""
    old, new, own = (text.splitlines(keepends=True) for text in (before, after, cell))
    if len(own) != len(old):
        raise UnusableInputError("a cell has line ends other than LF: save the notebook again")
    found: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        found += own[a:b] if tag == "equal" else new[c:d]
    text = "".join(found)
    return f"{text}\n" if cell.endswith("\n") and not text.endswith("\n") else text


def _laid_out_as(notebook: str) -> Any:
    """A function that writes JSON in the formatting of this notebook."""
    document = json.loads(notebook)
    for indent, is_ascii, separators, end in product(_INDENTS, (False, True), _SEPARATORS, ("\n", "")):

        def write(
            given: Mapping[str, Any],
            indent: Any = indent,
            is_ascii: bool = is_ascii,
            separators: Any = separators,
            end: str = end,
        ) -> str:
            return json.dumps(given, indent=indent, ensure_ascii=is_ascii, separators=separators) + end

        if write(document) == notebook.replace("\r\n", "\n"):
            return lambda given: write(given).replace("\n", "\r\n") if "\r\n" in notebook else write(given)
    raise UnusableInputError("the notebook is not laid out as Jupyter saves it: save it again, or take --fix OUT.py")
