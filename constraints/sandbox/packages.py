"""Find the package that a file belongs to, and the folder above the file that contains a package."""

from __future__ import annotations

import ast
from pathlib import Path

_ANCESTORS = 4
_PROJECT = ("pyproject.toml", ".git", "setup.py")


def package_of(file: Path, tree: ast.Module) -> str:
    """The dotted name of a file whose imports say that it is part of a package; else empty.

    Relative imports show how many folders belong to it, an ``__init__.py`` marks further ones, and a file that imports
    from the outermost of these folders by name is part of it too.
    """
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    level = max([node.level for node in imports if isinstance(node, ast.ImportFrom)], default=0)
    depth = 0
    while (file.parents[depth] / "__init__.py").exists():
        depth += 1
    outermost = file.parents[depth - 1].name if depth else ""
    named = {n.split(".")[0] for node in imports for n in _imported(node)}
    if not level and outermost not in named:
        return ""
    depth = max(depth, level)
    parts = [parent.name for parent in file.parents[:depth]][::-1]
    stem = file.stem.replace(".", "_")  # a dot would make a package of the part before it
    while stem != file.stem and (file.parent / f"{stem}.py").exists():
        stem += "_"  # the name is that of a file beside it
    return ".".join([*parts, stem]) if all(part.isidentifier() for part in parts) else ""


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""] if not node.level else []
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def folder_with(name: str, file: Path) -> Path | None:
    """The folder of a file, or one above it within its project, where a relative path leads to something."""
    if not name or Path(name).is_absolute():
        return None
    for folder in file.parents[:_ANCESTORS]:
        if (folder / name).exists():
            return folder
        if any((folder / mark).exists() for mark in _PROJECT):
            return None
    return None


def has_module(package: str, folder: Path) -> bool:
    """Whether a folder holds a package or module of this name."""
    return (folder / f"{package}.py").is_file() or any((folder / package).glob("*.py"))


def home_of(package: str, file: Path) -> Path | None:
    """The folder above a file, within its project, that holds a package or module of this name."""
    for folder in file.resolve().parents[:_ANCESTORS]:
        if has_module(package, folder):
            return folder
        if any((folder / mark).exists() for mark in _PROJECT):
            return None
    return None
