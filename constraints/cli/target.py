"""``file.py:NAME`` and ``package.module:NAME``: what a command line points at, read without running it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.sandbox.request import Target

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parse_target(text: str) -> Target:
    """Read a target; raises UnusableInputError when it has no NAME, or names neither a file nor a module."""
    place, colon, name = text.rpartition(":")
    if not colon or not place or not all(part.isidentifier() for part in name.split(".")):
        raise UnusableInputError(f"no NAME in target: {text!r}: write file.py:NAME or package.module:NAME")
    if place.endswith(".py") or "/" in place or "\\" in place:
        return Target(text=text, file=Path(place), module="", name=name)
    if not _MODULE.fullmatch(place):
        raise UnusableInputError(
            f"neither a .py file nor a module: {place!r}: write file.py:NAME or package.module:NAME"
        )
    return Target(text=text, file=None, module=place, name=name)


def read_source(target: Target) -> ast.Module | None:
    """The syntax tree of a file target, None for a module; raises UnusableInputError with an error's line."""
    if target.file is None:
        return None
    try:
        return ast.parse(target.file.read_bytes(), filename=str(target.file))
    except OSError as error:
        raise UnusableInputError(
            f"cannot read the file: {str(target.file)!r}: {error.strerror}: give an existing .py"
        ) from error
    except SyntaxError as error:
        where = f"{target.file}:{error.lineno or 1}"
        raise UnusableInputError(f"syntax error: {where}: {error.msg}: fix that line") from error
    except ValueError as error:
        raise UnusableInputError(f"not Python source: {str(target.file)!r}: {error}") from error


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
    return {*Metrics.definitions(), *defined, *(alias.name for alias in imported)}
