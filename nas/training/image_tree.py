"""Lists the files of a data folder, and computes a key that changes with them."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from constraints.errors import UnusableInputError

PARTS = ("train", "test")
VALIDATION = "validation"
PART_OF = {"train": "train", "test": "test", "val": VALIDATION, "valid": VALIDATION, VALIDATION: VALIDATION}
HIDDEN = "hidden"
OF_MACOS = "of macOS"
MACOS_FOLDER = "__MACOSX"
DEEPEST = 2
"""Most folders between the given data folder and the one that contains train and test."""
Place = tuple[str, ...]
"""The components of a path inside the data, as the file system or the archive stores them."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Folders and files of a data folder or archive by path, before parts and classes are identified."""

    folders: set[Place] = field(default_factory=set)
    files: dict[Place, Path | bytes] = field(default_factory=dict)
    dangling: set[Place] = field(default_factory=set)
    tables: dict[Place, Path] = field(default_factory=dict)
    """Tables beside the parts of a folder; an archive has them among its files."""


_Open = list[tuple[Path, Place, frozenset[tuple[int, int]]]]


def walk(folder: Path) -> Tree:
    """List the parts of a data folder, or of the one folder inside it that contains train and test; follows links.

    Raises UnusableInputError where a part is missing or something cannot be read.
    """
    root, tree = _root(folder), Tree()
    try:
        status = root.stat()
        open_folders: _Open = [(root, (), frozenset({(status.st_dev, status.st_ino)}))]
        while open_folders:
            path, place, above = open_folders.pop()
            for entry in os.scandir(path):
                if place or entry.name in PART_OF:
                    _enter(entry, (*place, entry.name), above, tree, open_folders)
                elif is_table(entry.name) and os.path.isfile(entry.path):  # noqa: PTH113 (as in _enter)
                    tree.tables[entry.name,] = Path(entry.path)
    except OSError as error:
        raise UnusableInputError(
            f"the data cannot be read ({error.strerror}): {error.filename}: make it readable, or give other data"
        ) from error
    return tree


def _enter(
    entry: os.DirEntry[str], place: Place, above: frozenset[tuple[int, int]], tree: Tree, open_folders: _Open
) -> None:
    """Add one entry of a folder; a link to an enclosing folder is not followed."""
    if os.path.isdir(entry.path):  # noqa: PTH112 (False for a circular link, where Path.is_dir may raise)
        status = entry.stat()
        own = (status.st_dev, status.st_ino) if status.st_ino else (0, len(place))
        if own in above:
            tree.dangling.add(place)
            return
        tree.folders.add(place)
        open_folders.append((Path(entry.path), place, above | {own}))
    elif os.path.isfile(entry.path):  # noqa: PTH113
        tree.files[place] = Path(entry.path)
    else:
        tree.dangling.add(place)


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table, which may hold the classes of images."""
    return name.lower().endswith((".csv", ".tsv"))


def readable(name: str) -> str:
    """A name in Unicode's composed form (NFC); bytes that are not UTF-8 are read as Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = name.encode("utf-8", "surrogateescape").decode("latin-1")
    return unicodedata.normalize("NFC", name)


def _root(folder: Path) -> Path:
    """The folder that contains ``train``: this one, or the only one at most DEEPEST folders deeper."""
    pattern = "train"
    for _ in range(DEEPEST + 1):
        found = sorted(path.parent for path in folder.glob(pattern) if path.is_dir() and not _is_hidden(path, folder))
        if len(found) > 1:
            names = " and ".join(str(path) for path in found[:2])
            raise UnusableInputError(f"more than one data set: {folder}: give one of them, such as {names}")
        if found:
            for part in PARTS:
                if not (found[0] / part).is_dir():
                    raise UnusableInputError(_missing(part, found[0]))
            return found[0]
        pattern = f"*/{pattern}"
    raise UnusableInputError(_missing("train", folder))


def _is_hidden(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).parts
    return junk(inside, inside) is not None


def _missing(part: str, folder: Path) -> str:
    """The error for a folder without ``part``; suggests one with a similar name (Train, training)."""
    for path in sorted(folder.iterdir()):
        if path.name.lower().startswith(part) and path.is_dir():
            return f"no {part} folder in the data: {folder}: it holds {path.name!r}: rename that to {part}"
    return f"no {part} folder in the data: {folder}: put the images in {part}/<class>/"


def folder_key(folder: Path) -> str:
    """A key that changes when a file of the folder is added, removed, moved, resized or rewritten."""
    digest, tree = hashlib.sha256(os.fsencode(folder.resolve())), walk(folder)
    for place in sorted(tree.folders | tree.dangling):
        digest.update(os.fsencode("/".join(place)) + b"\n")
    is_flat = any(len(place) == 2 for place in tree.files)  # only then labels may come from the tables
    for place, path in sorted({**tree.files, **(tree.tables if is_flat else {})}.items()):
        assert isinstance(path, Path)
        try:
            status = path.stat()
        except OSError as error:  # removed in the meantime
            raise UnusableInputError(f"the data cannot be read ({error.strerror}): {path}") from error
        # Two files of equal size and time that swap places keep both: their inodes tell them apart.
        marks = f" {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}\n"
        digest.update(os.fsencode("/".join(place)) + marks.encode())
    return digest.hexdigest()


def junk(place: Place, rest: Place) -> str | None:
    """Why a path is ignored because of its names alone; ``rest`` is the part of the path within the data."""
    if MACOS_FOLDER in place or any(name.startswith("._") for name in rest):
        return OF_MACOS
    return HIDDEN if any(name.startswith(".") and name not in {".", ".."} for name in rest) else None
