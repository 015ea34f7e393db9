"""The cells of a notebook: their code, without the lines of shell and magic; no torch."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from constraints.errors import NoModelError, UnusableInputError

NOTEBOOK = ".ipynb"
"""Suffix of a notebook's file."""
_MAGIC = re.compile(r"(?P<indent>\s*)(?:[!%?]|[\w., ]+=\s*[!%]|[\w.]+\?{1,2}\s*$)")
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)
_CELL_MAGIC = re.compile(r"\s*%%(?P<name>\w+)")
_TRANSPARENT = frozenset({"time", "timeit", "capture", "prun"})
"""Cell magics after which the cell is Python."""
_KERNELS = {"iruby": "Ruby", "ir": "R", "julia": "Julia"}
"""Name of a kernel, without its version -> the language, for notebooks that do not name it."""
_STRING = re.compile(r"""#.*|(?P<quotes>"{3}|'{3})|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")
"""A comment, the start of a string of several lines, or a string."""


def cells(file: Path, data: bytes | str) -> Iterator[tuple[int, str]]:
    """Number (from 1, code cells only) and text of the code cells, in the formats 3 and 4."""
    try:
        document = json.loads(data)  # reads UTF-16 and UTF-32 too
        texts = ["".join(cell.get("source", cell.get("input", ""))) for cell in code_cells(document)]
        language = _language(document)
    except UnicodeDecodeError as error:
        raise UnusableInputError(f"cannot decode {str(file)!r}: {error}: save it as UTF-8") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnusableInputError(f"not a notebook: {str(file)!r}: {_damage(data, error)}") from error
    if language != "python":
        raise NoModelError(f"not a Python notebook: {str(file)!r}: its language is {language}: give another")
    yield from enumerate(texts, 1)


def _damage(data: bytes | str, error: Exception) -> str:
    """What is wrong with a notebook's JSON, and what to do."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip():
        return "it is empty: get it again, or save it again where it is open"
    if found := _CONFLICT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        return f"git left a conflict at line {line}: keep one side, without the lines <<<<<<<, ======= and >>>>>>>"
    if text.lstrip().startswith("<"):
        return "it is a web page: download the notebook itself, on GitHub by Raw"
    return f"{error}: get it again, or save it again where it is open"


def code_cells(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cells of code of a notebook's JSON, in the formats 3 and 4."""
    sheets = document.get("worksheets", [document])
    return [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]


def _language(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata") or {}
    kernel = metadata.get("kernelspec") or {}
    named = (metadata.get("language_info") or {}).get("name") or kernel.get("language")
    named = named or _KERNELS.get(str(kernel.get("name")).partition("-")[0])
    return "python" if not named or "python" in str(named).lower() else str(named)


def python_of(text: str) -> tuple[str, int]:
    """The Python of a cell, and its number of lines of shell or magic, which become ``pass`` to keep line numbers."""
    magic = _CELL_MAGIC.match(text)
    if magic and magic["name"] not in _TRANSPARENT:
        return "", len(text.splitlines())
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        pass
    else:
        return text, 0
    lines, left_out, goes_on, quotes = [], 0, False, ""
    for line in text.splitlines():
        match = None if goes_on or quotes else _MAGIC.match(line)
        if goes_on or match:
            goes_on = line.rstrip().endswith("\\")
            left_out += 1
            lines.append(f"{match['indent'] if match else ''}pass" if match else "")
        else:
            quotes = _open_quotes(line, quotes)
            lines.append(line)
    return "\n".join(lines), left_out


def _open_quotes(line: str, quotes: str) -> str:
    """The quotes of the string that is open at the end of a line, given those at its start; empty for none."""
    at = 0
    while True:
        if quotes:
            closed = re.compile(rf"(?:\\.|[^\\])*?{quotes}").match(line, at)
            if closed is None:
                return quotes
            at = closed.end()
        found = _STRING.search(line, at)
        if found is None:
            return ""
        at, quotes = found.end(), found["quotes"] or ""
