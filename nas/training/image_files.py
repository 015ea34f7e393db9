"""Finds labelled images in class folders: the part and class of each file of a tree."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from constraints.errors import UnusableInputError
from constraints.output.plain import one_line
from nas.training.class_folders import ClassFolders
from nas.training.image_tree import (
    MACOS_FOLDER,
    PART_OF,
    PARTS,
    VALIDATION,
    Place,
    Tree,
    is_table,
    junk,
    readable,
    walk,
)
from nas.training.labelled_images import Labelled, with_labels

FORMATS = {
    "AVIF": (".avif", ".avifs"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "ICO": (),  # by content only, not by file ending: an .ico file is mostly a folder's icon
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg"),
    "JPEG2000": (".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx"),
    "PNG": (".apng", ".png"),
    "PPM": (".pbm", ".pfm", ".pgm", ".pnm", ".ppm"),
    "TGA": (".icb", ".tga", ".vda", ".vst"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""Pillow's name of each supported format -> its file endings; some other formats would start a program."""
SUFFIXES = frozenset(suffix for endings in FORMATS.values() for suffix in endings)
DANGLING = "dangling link or device"
LOOSE = "in no class folder"
NO_ENDING = "without an ending"
"""Reasons for leaving a file out; for a file of another type, the reason is its ending."""
MOST_REASONS = 8
"""Most reasons that are listed separately."""


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image that is not decoded yet; ``source`` is a file or the bytes of an archive's member."""

    part: str
    class_name: str
    name: str
    source: Path | bytes

    @property
    def label(self) -> str:
        """The image's path in the data, for messages."""
        return f"{self.part}/{self.class_name}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The classes of a folder or archive, and its images in the order in which they are stored.

    The last ``validation`` images of ``train`` are the data's own validation split.
    """

    origin: str
    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...]
    validation: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    """Path and reason of each file that was left out."""
    of_tables: tuple[str, ...] = ()
    """Messages about labels that were read from tables."""

    def labels(self, part: str) -> np.ndarray:
        """Class numbers (int64) of one part's images."""
        number = {name: index for index, name in enumerate(self.classes)}
        files = self.train if part == "train" else self.test
        return np.array([number[file.class_name] for file in files], dtype=np.int64)

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages about the files, a line each."""
        notes = [*self.of_tables]
        if self.validation:
            notes.append(f"the data's own validation split is used: {self.validation:,} images select, no others")
        if deeper := [file for file in (*self.train, *self.test) if "/" in file.name]:
            notes.append(
                f"images in folders inside a class folder: {len(deeper):,}, {deeper[0].label} the first: "
                "they belong to the class of the outer folder"
            )
        if self.left_out:
            notes.append(_on_left_out(self.left_out))
        return tuple(map(one_line, notes))  # a file's name may have line ends


def _on_left_out(left_out: tuple[tuple[str, str], ...]) -> str:
    count, (first, _) = len(left_out), left_out[0]
    reasons = sorted(Counter(reason for _, reason in left_out).items(), key=lambda one: (-one[1], one[0]))
    why = [f"{number:,} {reason}" for reason, number in reasons[:MOST_REASONS]]
    if rest := sum(number for _, number in reasons[MOST_REASONS:]):
        why.append(f"{rest:,} of other kinds")
    return f"{count:,} file{'s were' if count > 1 else ' was'} left out ({', '.join(why)}), {first} the first"


def list_folder(folder: Path) -> Listing:
    """List ``folder/train/<class>/*``, ``folder/test/<class>/*`` and the validation split, where there is one.

    Raises UnusableInputError when a part is missing or the classes do not fit (see ``list_tree``).
    """
    return list_tree(str(folder), walk(folder))


def list_tree(origin: str, tree: Tree) -> Listing:
    """Find parts, classes and images in a tree.

    Raises UnusableInputError where the parts have different classes, fewer than two classes or an empty class, and
    where there are two validation splits.
    """
    roots = _roots(origin, tree)
    labelled = with_labels(origin, tree, roots[0]) if roots else Labelled(tree=tree)
    tree = labelled.tree
    _refuse_two_splits(origin, tree, roots)
    classes: set[tuple[str, str]] = set()
    images: dict[tuple[str, str, str], ImageFile] = {}  # a later member of the same name replaces the earlier one
    left_out: list[tuple[str, str]] = []
    for place in tree.folders:
        rest = _within(place, roots, 2)
        if len(rest) >= 2 and junk(place, rest) is None:
            classes.add((PART_OF[rest[0]], readable(rest[1])))
    for place, source in [*tree.files.items(), *((place, None) for place in tree.dangling)]:
        rest = _within(place, roots, 3)
        if not rest:
            continue
        part, *names = PART_OF[rest[0]], *map(readable, rest[1:])
        reason = _reason(place, rest, is_dangling=source is None)
        if reason is not None or source is None:
            left_out.append(("/".join((part, *names)), reason or DANGLING))
        if len(rest) >= 3 and junk(place, rest) is None:
            classes.add((part, names[0]))
        if reason is None and source is not None:
            file = ImageFile(part=part, class_name=names[0], name="/".join(names[1:]), source=source)
            images[part, rest[1], "/".join(rest[2:])] = file
    folders = ClassFolders(
        origin=origin,
        classes=classes,
        loose=sorted(file for file, why in left_out if why == LOOSE),
        tables=sorted(map(readable, map("/".join, filter(_is_table, tree.tables.keys() | tree.files.keys())))),
        unmatched="; ".join(labelled.missing),
    )
    return replace(
        _sorted(folders, [images[key] for key in sorted(images)], sorted(left_out)), of_tables=labelled.notes
    )


def _roots(origin: str, tree: Tree) -> list[Place]:
    """The folder that contains both train and test, if any; several at the same depth are refused."""
    around = {place[:end] for place in [*tree.files, *tree.folders] for end in range(1, len(place) + 1)}
    around -= set(tree.files)
    found = {place[:-1] for place in around if place[-1] == "train" and (*place[:-1], "test") in around}
    found = {root for root in found if MACOS_FOLDER not in root}
    shallow = sorted(root for root in found if not any(root[:end] in found for end in range(len(root))))
    if len(shallow) > 1:
        names = " and ".join("/".join(root) for root in shallow[:2])
        raise UnusableInputError(f"more than one data set in the data: {names}: {origin}: give one of them alone")
    return shallow


def _refuse_two_splits(origin: str, tree: Tree, roots: list[Place]) -> None:
    """Raise UnusableInputError for both ``val`` and ``valid``, since one may or may not be a copy of the other."""
    found = sorted({rest[0] for place in tree.files if len(rest := _within(place, roots, 3)) >= 3} - set(PARTS))
    if len(found) > 1:
        raise UnusableInputError(
            f"more than one validation split: {' and '.join(found)}: {origin}: move all but one of them away"
        )


def _within(place: Place, roots: list[Place], fewest: int) -> Place:
    """A path from its part (train, test) on; () where it is in none."""
    for root in roots:
        if place[: len(root)] == root and len(place) > len(root) and place[len(root)] in PART_OF:
            return place[len(root) :]
    for index, name in enumerate(place):
        if name in PART_OF and len(place) - index >= fewest:
            return place[index:]
    return ()


def has_suffix_of_image(name: str) -> bool:
    """Whether a file's name has the ending of an image."""
    return _suffix(name) in SUFFIXES


def _is_table(place: Place) -> bool:
    return is_table(place[-1])


def _suffix(name: str) -> str:
    return posixpath.splitext(readable(name))[1].lower()


def _reason(place: Place, rest: Place, *, is_dangling: bool) -> str | None:
    """Why a file is left out; None for an image."""
    if (why := junk(place, rest)) is not None:
        return why
    if is_dangling:
        return DANGLING
    if not has_suffix_of_image(rest[-1]):
        return _suffix(rest[-1]) or NO_ENDING
    return LOOSE if len(rest) < 3 else None


def _sorted(folders: ClassFolders, images: list[ImageFile], left_out: list[tuple[str, str]]) -> Listing:
    """Check that no class is empty, and sort."""
    origin, names = folders.origin, folders.check()
    for empty in _empty(sorted(folders.classes), images):
        of_other_kinds = [file for file, why in left_out if why.startswith(".") or why == NO_ENDING]
        raise UnusableInputError(_without_images(empty, of_other_kinds, origin))
    images = sorted(images, key=lambda file: (file.class_name, file.name))
    parts = {part: tuple(f for f in images if f.part == part) for part in (*PARTS, VALIDATION)}
    return Listing(
        origin=origin,
        classes=names,
        train=parts["train"] + parts[VALIDATION],
        test=parts["test"],
        validation=len(parts[VALIDATION]),
        left_out=tuple(left_out),
    )


def _without_images(empty: str, others: list[str], origin: str) -> str:
    inside = [file for file in others if file.startswith(f"{empty}/")]
    if not inside:
        return f"a class has no images: {empty}: {origin}: add images or remove the class"
    holds = f"{len(inside):,} file{'s' * (len(inside) > 1)} of other kinds, {inside[0]} the first"
    return f"a class has no images: {empty}: {origin}: it holds {holds}: make them .png or .jpg"


def _empty(classes: list[tuple[str, str]], images: list[ImageFile]) -> Iterator[str]:
    filled = {(file.part, file.class_name) for file in images}
    yield from (f"{part}/{name}" for part, name in classes if (part, name) not in filled)
