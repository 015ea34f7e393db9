"""``file.py:NAME``, ``notebook.ipynb:NAME`` and ``package.module:NAME``, parsed without running the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

from constraints.cli.modules import MissingModuleError, files_of
from constraints.errors import UnusableInputError
from constraints.metrics import LATENCIES, Metrics
from constraints.sandbox.cells import NOTEBOOK
from constraints.sandbox.request import Target
from constraints.sandbox.source import read
from constraints.suggestions import nearest

SUFFIXES = (".py", NOTEBOOK)
_FEW = 8
"""Number of names that are suggested where none is similar."""
_FROM_ELSEWHERE = re.compile(r"^\*$|\b(exec|eval|globals|locals|vars|setattr|__getattr__|__dict__|modules)\b", re.M)
"""Names by which a file may define others that do not appear in its text."""
_STREAMS = ("/dev/fd/", "/dev/stdin", "/proc/")
"""Beginnings of paths that are another thing in each process, such as what a shell gives for ``<(...)``."""
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parse_target(text: str, *, needs_name: bool = False) -> Target:
    """Parse a target; raises UnusableInputError if it is neither a file nor a module, or NAME is not a valid name."""
    place, name = split(text)
    is_missing = name is None and needs_name
    if not place or is_missing or not all(part.isidentifier() for part in ("_" if name is None else name).split(".")):
        raise UnusableInputError(f"no NAME in target: {text!r}: write file.py:NAME or package.module:NAME")
    if place.endswith(SUFFIXES) or "/" in place or "\\" in place:
        return Target(text=text, file=Path(place), module="", name=name or "")
    if not _MODULE.fullmatch(place) or ("." in place and Path(place).is_file()):
        raise UnusableInputError(
            f"neither a .py file nor a module: {place!r}: write file.py:NAME or package.module:NAME"
        )
    return Target(text=text, file=None, module=place, name=name or "")


def split(text: str) -> tuple[str, str | None]:
    """The file or module of a target, and its name; None for the name where it is left out."""
    place, colon, name = text.rpartition(":")
    if not colon or name.endswith(SUFFIXES):  # no colon, or that of a Windows drive
        return text, None
    return place, name


def read_source(target: Target) -> ast.Module | None:
    """The syntax tree of a file target, None for a module.

    Raises UnusableInputError with the line of a syntax error, for a module that does not exist, and for a NAME that the
    file or module does not contain.
    """
    if target.file is not None:
        if _is_stream(target.file):
            raise UnusableInputError(f"a stream, not a file: {str(target.file)!r}: save its text as a .py file")
        source = read(target.file)
        if not source.is_notebook:
            _check_name(target, [source.tree])
        return source.tree
    try:
        files = files_of(target.module)
    except MissingModuleError as error:
        if any(_gives_names(read(file).tree) for file in error.files):  # as os defines os.path
            return None
        raise
    if files is not None and not _is_package_with(files[-1], target.name):
        _check_name(target, [read(file).tree for file in files])
    return None


def _is_stream(file: Path) -> bool:
    """Whether the file can be read only once, or never ends; reading it here would leave nothing for the child."""
    try:
        is_special = file.is_fifo() or file.is_char_device() or file.is_socket()
    except (OSError, ValueError):  # its path has a character that none may have
        return False
    return is_special or file.absolute().as_posix().startswith(_STREAMS)


def folder_of(target: Target) -> Path:
    """Where the search for a target's project begins: the folder of its file, else the working folder.

    Of a module, its file counts where it is below the working folder, since an installed one is of no project.
    """
    if target.file is not None:
        return target.file.parent
    try:
        files = files_of(target.module) or []
    except MissingModuleError as error:
        files = error.files
    return files[-1].parent if files and files[-1].is_relative_to(Path.cwd()) else Path()


def _is_package_with(file: Path, name: str) -> bool:
    """Whether a package has a module of that name, which any import of it makes an attribute of the package."""
    root = name.partition(".")[0]
    return file.name == "__init__.py" and (file.with_name(root).is_dir() or file.with_name(f"{root}.py").is_file())


def _check_name(target: Target, trees: Sequence[ast.Module]) -> None:
    """Raise UnusableInputError for a NAME that does not occur in a file and cannot be defined in another way.

    The file's own syntax tree is the last of ``trees``; before it are those of its packages, which may define it.
    """
    root = target.name.partition(".")[0]
    if not root:
        return
    for tree in trees:
        if re.search(rf"\b{re.escape(root)}\b", "\n".join(_words(tree))) or _gives_names(tree):
            return
    body = trees[-1].body
    made = [node.name for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    calls = [node for node in body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    made = made or [variable.id for node in calls for variable in node.targets if isinstance(variable, ast.Name)]
    otherwise = f"did you mean {', '.join(made[:_FEW])}?" if made else "it defines no class and no function"
    raise UnusableInputError(f"no such name in {target.place}: {target.name!r}: {nearest(root, made, otherwise)}")


def _gives_names(tree: ast.Module) -> bool:
    """Whether a program may define names that do not occur in its text, or another module may set them."""
    return bool(_FROM_ELSEWHERE.search("\n".join(_words(tree)))) or _hands_itself_over(tree)


def _words(tree: ast.Module) -> Iterator[str]:
    """The names and strings in a program; ``*`` for a star import."""
    for node in ast.walk(tree):
        for _, value in ast.iter_fields(node):
            yield from filter(_is_text, value if isinstance(value, list) else [value])


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _hands_itself_over(tree: ast.Module) -> bool:
    """Whether a program uses its ``__name__`` other than in a comparison, so that other code may find its module."""
    nodes = list(ast.walk(tree))
    compared = {id(side) for n in nodes if isinstance(n, ast.Compare) for side in (n.left, *n.comparators)}
    return any(isinstance(n, ast.Name) and n.id == "__name__" and id(n) not in compared for n in nodes)


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
    """Names that may be metrics defined in the file; None where only running it can tell."""
    if tree is None:
        return None
    imported = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    if any(alias.name == "*" for alias in imported):
        return None
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return {*Metrics.definitions(), *LATENCIES, *defined, *(alias.name for alias in imported)}
