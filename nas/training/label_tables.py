"""Labels of images that are in no class folder, from tables beside them with a line ``filename,label`` for each.

A part whose images have labels in a table is read as if each image were in the class folder of its label.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from constraints.errors import UnusableInputError
from nas.training.image_tree import PART_OF, Place, Tree, is_table, junk, readable
from nas.training.label_columns import ColumnsError, Hits, column_of_labels, column_of_names

_ANSWERS_LEFT_OUT = "submission"
"""A table with this in its name is an example of the form of answers, whose labels are no truth."""
_DELIMITERS = ",;\t"
LARGEST_TABLE = 64 * 2**20
"""Bytes; a larger table is refused, of which no more is read."""


class _TooLargeError(Exception):
    """A table is larger than any that is read."""


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table, by its place in the data, and the images that it may name."""

    name: str
    rows: Sequence[Sequence[str]]
    images: Mapping[str, Sequence[Place]]
    """Path in the data, name, and name without its ending -> the images that have it."""
    origin: str

    def named(self, cell: str) -> Sequence[Place]:
        """The images that a cell may name, by its part where it has one, else by the file's name."""
        parts = _parts(cell)
        has_part = len(parts) > 1 and parts[-2] in PART_OF
        return self.images.get("/".join(parts[-2:] if has_part else parts[-1:]), ())

    @cached_property
    def column_of_names(self) -> int | None:
        """The column that names the images; None where the table names none."""
        found: dict[int, dict[int, Sequence[Place]]] = {}
        for number, row in enumerate(self.rows):
            for i, cell in enumerate(row):
                if places := self.named(cell):
                    found.setdefault(i, {})[number] = places
        hits = {i: self._hits(i, by_row) for i, by_row in found.items()}
        try:
            return column_of_names(self.rows[0], hits) if hits else None
        except ColumnsError as error:
            raise self._error(*error.args) from None

    def _hits(self, column: int, by_row: Mapping[int, Sequence[Place]]) -> Hits:
        images = {place for places in by_row.values() for place in places}
        last = {row: _parts(self.rows[row][column])[-1] for row in by_row}
        whole = {place for row, places in by_row.items() for place in places if readable(place[-1]) == last[row]}
        return Hits(by_row=by_row, images=len(images), whole=len(whole))

    def labels(self) -> Iterator[tuple[Place, str]]:
        """Each image with its label; UnusableInputError where a row may mean two images."""
        names = self.column_of_names
        if names is None:
            return
        try:
            labels = column_of_labels(self.rows[0], names)
        except ColumnsError as error:
            raise self._error(*error.args) from None
        for row in self.rows:
            places = self.named(row[names]) if len(row) > max(names, labels) else ()
            label = readable(row[labels].strip()) if places else ""
            if len(places) > 1:
                first, second = ("/".join((place[-2], place[-1])) for place in places[:2])
                raise self._error(f"names {row[names]}, which may be {first} or {second}", f"write {first}")
            if label.startswith("."):
                raise self._error(f"has a label that begins with a dot: {label}", "call the class otherwise")
            if label:
                yield places[0], label

    def unmatched(self) -> list[str]:
        """The names in rows, after the heading, that no image has."""
        names = self.column_of_names or 0
        return [row[names] for row in self.rows[1:] if len(row) > names and not self.named(row[names])]

    def _error(self, what: str, advice: str) -> UnusableInputError:
        return UnusableInputError(f"the table {self.name} {what}: {self.origin}: {advice}")


def with_labels(origin: str, tree: Tree, root: Place) -> tuple[Tree, tuple[str, ...]]:
    """The tree with each labelled image in the class folder of its label, and messages for the user.

    Only parts without class folders are changed. Raises UnusableInputError for a table that cannot be read or
    contradicts itself or another one.
    """
    loose = _loose(tree, root)
    labels: dict[Place, str] = {}
    notes: list[str] = []
    for table in _tables(origin, tree, root, loose) if loose else ():
        before = len(labels)
        for place, label in table.labels():
            if labels.setdefault(place, label) != label:
                names = f"{labels[place]} and {label}"
                raise UnusableInputError(f"{_path(place, root)} has two labels: {names}: {origin}: keep one of them")
        if len(labels) > before:
            notes.append(f"labels are read from {table.name}: {len(labels) - before:,} images")
            if missing := table.unmatched():
                notes.append(f"{table.name} names images that are not there: {len(missing):,}, {missing[0]} the first")
    files = {(*p[:-1], labels[p], p[-1]) if p in labels else p: source for p, source in tree.files.items()}
    return (replace(tree, files=files), tuple(notes)) if labels else (tree, ())


def _loose(tree: Tree, root: Place) -> list[Place]:
    """The files directly inside a part that has no folders."""
    depth = len(root)
    known = [p for p in [*tree.files, *tree.folders] if p[:depth] == root and junk(p, p[depth:]) is None]
    folders = {p[depth] for p in known if len(p) > depth + (2 if p in tree.files else 1)}
    flat = PART_OF.keys() - folders
    inside = [p for p in known if len(p) == depth + 2 and p in tree.files]
    return [p for p in inside if p[depth] in flat and not is_table(p[-1])]


def _tables(origin: str, tree: Tree, root: Place, loose: Sequence[Place]) -> Iterator[LabelTable]:
    depth = len(root)
    for place, source in sorted({**tree.tables, **tree.files}.items()):
        is_beside, file = place[:depth] == root and len(place) in {depth + 1, depth + 2}, place[-1].lower()
        if not is_beside or not is_table(file) or junk(place, place[depth:]) or _ANSWERS_LEFT_OUT in file:
            continue
        first = place[depth] if len(place) == depth + 2 else re.split("[^a-z]", file)[0]
        part = PART_OF.get(first)
        images: dict[str, list[Place]] = {}
        for image in loose:
            if part in {None, PART_OF[image[depth]]}:
                path = PurePosixPath(readable(_path(image, root)))
                for key in {str(path), str(path.with_suffix("")), path.name, path.stem}:
                    images.setdefault(key, []).append(image)
        name = _path(place, root)
        yield LabelTable(name=name, rows=_rows(name, source, origin), images=images, origin=origin)


def _rows(name: str, source: Path | bytes, origin: str) -> list[list[str]]:
    try:
        text = _content(source).decode("utf-8-sig")
        delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except (OSError, UnicodeError, csv.Error, _TooLargeError) as error:
        raise UnusableInputError(
            f"the table {name} cannot be read ({error}): {origin}: save it as UTF-8 text with commas, or remove it"
        ) from None


def _content(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):  # a member of an archive, whose size was checked
        return source
    with source.open("rb") as file:
        content = file.read(LARGEST_TABLE + 1)
    if len(content) > LARGEST_TABLE:
        raise _TooLargeError(f"it is larger than {LARGEST_TABLE:,} bytes")
    return content


def _parts(cell: str) -> list[str]:
    """The components of a path in a cell, which Windows may have written."""
    return [part for part in readable(cell.strip()).replace("\\", "/").split("/") if part not in {"", "."}]


def _path(place: Place, root: Place) -> str:
    return "/".join(place[len(root) :])
