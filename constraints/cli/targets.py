"""Several targets of one command: files, notebooks, modules, folders and patterns as one list; no torch."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from constraints.cli.target import SUFFIXES, parse_target, split
from constraints.errors import UnusableInputError
from constraints.sandbox.request import Target
from constraints.sandbox.source import read

_PASSED_OVER = frozenset({"__init__.py", "__main__.py", "conftest.py", "setup.py"})
_NO_SOURCES = frozenset({"__pycache__", "build", "dist", "env", "node_modules", "site-packages", "venv"})


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The targets of a command line."""

    targets: tuple[Target, ...]
    found: frozenset[Target] = frozenset()
    """Targets from a folder or a pattern; those that contain no model are skipped."""

    @property
    def is_one(self) -> bool:
        """Whether one target was named, and no folder or pattern."""
        return len(self.targets) == 1 and not self.found


def expand(texts: Sequence[str | Target]) -> Targets:
    """The targets in order, each once; already parsed ones are kept.

    Raises UnusableInputError where a folder or a pattern matches no file.
    """
    targets: dict[Target, None] = {}
    found: set[Target] = set()
    for text in texts:
        if isinstance(text, Target):
            targets[text] = None
            continue
        place, name = split(text)
        is_folder = name is None and os.path.isdir(place)  # noqa: PTH112 (also False for a text that is no valid path)
        if not os.path.isfile(place) and (has_magic(place) or is_folder):  # noqa: PTH113
            files = list(_files(place))
            if not files:
                raise UnusableInputError(f"no .py or .ipynb file found: {text!r}: give a folder or a pattern of some")
            members = [parse_target(f"{file}:{name}" if name else str(file)) for file in files]
            found |= set(members)
        else:
            members = [parse_target(text)]
        targets |= dict.fromkeys(members)
    return Targets(targets=tuple(targets), found=frozenset(found))


def may_hold_model(target: Target) -> bool:
    """Whether running the file may produce a model: it defines a class, assigns a call's result, or imports torch."""
    body = read(target.file).tree.body if target.file else []
    return any(isinstance(s, ast.ClassDef) or _calls(s) or _imports_torch(s) for s in body)


def _calls(statement: ast.stmt) -> bool:
    is_call = isinstance(statement, ast.Assign)
    return is_call and any(isinstance(node, ast.Call) for node in ast.walk(statement))


def _imports_torch(statement: ast.stmt) -> bool:
    names = [a.name for a in statement.names] if isinstance(statement, ast.Import) else []
    names += [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
    return any(f"{name}.".startswith("torch.") for name in names)


def _files(place: str) -> Iterator[Path]:
    """The files that a pattern matches, or that are below a folder; links to nowhere too, which are an error each."""
    matches: Iterable[str] = [place]
    if has_magic(place):
        matches = sorted(glob(place, recursive=True))  # noqa: PTH207 (Path.glob rejects absolute patterns)
    for match in map(Path, matches):
        if match.is_dir():
            yield from (f for f in sorted(match.rglob("*")) if _is_source(f.relative_to(match)) and not f.is_dir())
        elif match.suffix in SUFFIXES:
            yield match


def _is_source(file: Path) -> bool:
    """Whether a file in a folder may contain a model: not a test, not in a hidden folder, not an installed package."""
    hidden = any(part.startswith(".") or part in _NO_SOURCES for part in file.parts)
    is_other = file.name in _PASSED_OVER or file.name.startswith("test_")
    return file.suffix in SUFFIXES and not hidden and not is_other
