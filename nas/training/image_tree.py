"""The files of a data folder, by place, and a key of them."""

from __future__ import annotations

import hashlib
import os
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
"""Folders between the data folder that is given and the one that holds train and test."""
Place = tuple[str, ...]
"""The components of a path inside the data, as the system or the archive has them."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Folders and files of a data folder or an archive, by place, before anything is known of parts and classes."""

    folders: set[Place] = field(default_factory=set)
    files: dict[Place, Path | bytes] = field(default_factory=dict)
    dangling: set[Place] = field(default_factory=set)


_Open = list[tuple[Path, Place, frozenset[tuple[int, int]]]]


def walk(folder: Path) -> Tree:
    """The parts of a data folder, or of the one folder inside it that holds train and test; links are followed.

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
    except OSError as error:
        raise UnusableInputError(
            f"the data cannot be read ({error.strerror}): {error.filename}: make it readable, or give other data"
        ) from error
    return tree


def _enter(
    entry: os.DirEntry[str], place: Place, above: frozenset[tuple[int, int]], tree: Tree, open_folders: _Open
) -> None:
    """Note one entry of a folder; a link to a folder around it leads nowhere."""
    if os.path.isdir(entry.path):  # noqa: PTH112 (a link that leads around in a circle is no folder either)
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


def _root(folder: Path) -> Path:
    """The folder that holds ``train``: this one, or the only one up to DEEPEST folders deeper."""
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
    """The error where a folder holds no ``part``; one of almost its name (Train, training) is named."""
    for path in sorted(folder.iterdir()):
        if path.name.lower().startswith(part) and path.is_dir():
            return f"no {part} folder in the data: {folder}: it holds {path.name!r}: rename that to {part}"
    return f"no {part} folder in the data: {folder}: put the images in {part}/<class>/"


def folder_key(folder: Path) -> str:
    """A key that changes when a file of the folder is added, removed, moved, resized or rewritten."""
    digest, tree = hashlib.sha256(os.fsencode(folder.resolve())), walk(folder)
    for place in sorted(tree.folders | tree.dangling):
        digest.update(os.fsencode("/".join(place)) + b"\n")
    for place, path in sorted(tree.files.items()):
        assert isinstance(path, Path)
        try:
            status = path.stat()
        except OSError as error:  # removed meanwhile
            raise UnusableInputError(f"the data cannot be read ({error.strerror}): {path}") from error
        # Files of one size and time that change their places keep both, and are distinguished by their inodes.
        marks = f" {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}\n"
        digest.update(os.fsencode("/".join(place)) + marks.encode())
    return digest.hexdigest()


def junk(place: Place, rest: Place) -> str | None:
    """Why a place holds no data by its names alone; ``rest`` is the part of its path within the data."""
    if MACOS_FOLDER in place or any(name.startswith("._") for name in rest):
        return OF_MACOS
    return HIDDEN if any(name.startswith(".") and name not in {".", ".."} for name in rest) else None
