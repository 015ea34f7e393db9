"""``file.py:NAME``, ``notebook.ipynb:NAME`` and ``package.module:NAME``, read without running what they point at."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from constraints.errors import UnusableInputError
from constraints.metrics import LATENCIES, Metrics
from constraints.sandbox.request import Target
from constraints.sandbox.source import NOTEBOOK, Source, read
from constraints.suggestions import nearest

SUFFIXES = (".py", NOTEBOOK)
_FEW = 8
"""Names that are suggested where none is near."""
_FROM_ELSEWHERE = re.compile(r"^\*$|\b(exec|eval|globals|locals|vars|setattr|__getattr__|__dict__|modules)\b", re.M)
"""By what a file may define names that it does not write."""
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parse_target(text: str, *, needs_name: bool = False) -> Target:
    """Read a target; raises UnusableInputError when it names neither a file nor a module, or NAME is no name."""
    place, name = split(text)
    is_missing = name is None and needs_name
    if not place or is_missing or not all(part.isidentifier() for part in ("_" if name is None else name).split(".")):
        raise UnusableInputError(f"no NAME in target: {text!r}: write file.py:NAME or package.module:NAME")
    if place.endswith(SUFFIXES) or "/" in place or "\\" in place:
        return Target(text=text, file=Path(place), module="", name=name or "")
    if not _MODULE.fullmatch(place):
        raise UnusableInputError(
            f"neither a .py file nor a module: {place!r}: write file.py:NAME or package.module:NAME"
        )
    return Target(text=text, file=None, module=place, name=name or "")


def split(text: str) -> tuple[str, str | None]:
    """The place and the name of a target; None where it ends with the place."""
    place, colon, name = text.rpartition(":")
    if not colon or name.endswith(SUFFIXES):  # a drive's colon, or none
        return text, None
    return place, name


def read_source(target: Target) -> ast.Module | None:
    """The syntax tree of a file target, None for a module.

    Raises UnusableInputError with an error's line, for a NAME that the file nowhere has, and for a module of which
    there is not even the outermost package.
    """
    if target.file is not None:
        source = read(target.file)
        _check_name(target, source)
        return source.tree
    package = target.module.partition(".")[0]
    if not _is_there(package):
        raise UnusableInputError(f"no such module: {package!r}: give file.py:NAME or correct the name")
    return None


def _check_name(target: Target, source: Source) -> None:
    """Raise UnusableInputError for a NAME that no word of the file is, where no other file or text can give it one."""
    root = target.name.partition(".")[0]
    if not root or source.is_notebook:
        return
    words = "\n".join(_words(source.tree))
    if re.search(rf"\b{re.escape(root)}\b", words) or _FROM_ELSEWHERE.search(words) or _hands_itself_over(source.tree):
        return
    made = [node.name for node in source.tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    otherwise = f"did you mean {', '.join(made[:_FEW])}?" if made else "it defines no class and no function"
    raise UnusableInputError(f"no such name in {target.file}: {target.name!r}: {nearest(root, made, otherwise)}")


def _words(tree: ast.Module) -> Iterator[str]:
    """The names and texts of a program; a star where it imports one."""
    for node in ast.walk(tree):
        for _, value in ast.iter_fields(node):
            yield from filter(_is_text, value if isinstance(value, list) else [value])


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _hands_itself_over(tree: ast.Module) -> bool:
    """Whether a program uses its ``__name__`` otherwise than to compare it, so that others may find its module."""
    nodes = list(ast.walk(tree))
    compared = {id(side) for n in nodes if isinstance(n, ast.Compare) for side in (n.left, *n.comparators)}
    return any(isinstance(n, ast.Name) and n.id == "__name__" and id(n) not in compared for n in nodes)


def _is_there(package: str) -> bool:
    """Whether a package or module is found from the working folder; it is not imported."""
    path = sys.path[:]
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # of which its import says more
        return True
    finally:
        sys.path[:] = path


def line_of(tree: ast.Module, name: str) -> int | None:
    """The line on which a top-level name is defined last."""
    found = None
    for node in tree.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                found = node.lineno
            case ast.Assign() if any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                found = node.lineno
            case ast.AnnAssign(target=ast.Name(id=assigned)) if assigned == name:
                found = node.lineno
    return found


def possible_metrics(tree: ast.Module | None) -> set[str] | None:
    """Names that may turn out to be metrics of the file's own; None where only running it would tell."""
    if tree is None:
        return None
    imported = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    if any(alias.name == "*" for alias in imported):
        return None
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return {*Metrics.definitions(), *LATENCIES, *defined, *(alias.name for alias in imported)}
