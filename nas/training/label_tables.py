"""Labels of images that are in no class folder, from tables beside them with a line ``filename,label`` for each.

A part whose images have labels in a table is read as if each image were in the class folder of its label.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from constraints.errors import UnusableInputError
from constraints.output.plain import one_line
from nas.training.image_tree import PART_OF, Place, readable
from nas.training.label_columns import ColumnsError, Hits, called_label, column_of_labels, column_of_names

_BREAKS = frozenset({"Cc", "Zl", "Zp"})
"""Unicode's categories of control characters and of separators of lines."""
_DELIMITERS = ",;\t"
LARGEST_TABLE = 64 * 2**20
"""Bytes; a larger table is refused, of which no more is read."""


class NoLabelsError(UnusableInputError):
    """A table cannot be read, or has no column of labels: it may be about something else than labels."""


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

    @property
    def is_sure(self) -> bool:
        """Whether the heading or the table's name says that it has labels."""
        stem = PurePosixPath(self.name).stem.lower()
        return "label" in stem or stem in PART_OF or bool(called_label(self.rows[0] if self.rows else (), -1))

    def named(self, cell: str) -> Sequence[Place]:
        """The images that a cell may name, by its part where it has one, else by the file's name.

        Upper and lower case count only where several images differ in them alone.
        """
        if (found := self._found.get(cell)) is None:
            found = self._found[cell] = self._search(cell)
        return found

    def _search(self, cell: str) -> Sequence[Place]:
        parts = _parts(cell)
        has_part = len(parts) > 1 and parts[-2].casefold() in PART_OF
        key = "/".join(parts[-2:] if has_part else parts[-1:])
        return self.images.get(key) or self._folded.get(key.casefold(), ())

    @cached_property
    def _found(self) -> dict[str, Sequence[Place]]:
        """What ``named`` found so far, by cell: names are looked up for their column, and again for their labels."""
        return {}

    @cached_property
    def _folded(self) -> Mapping[str, Sequence[Place]]:
        found: dict[str, Sequence[Place]] = {}
        several = set[str]()
        for key, places in self.images.items():
            folded = key.casefold()
            if len(places) != 1 or found.setdefault(folded, places)[0] != places[0]:
                several.add(folded)
        return {key: places for key, places in found.items() if key not in several}

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
        whole = {place for row, places in by_row.items() for place in places if _is_named(place, last[row])}
        return Hits(by_row=by_row, images=len(images), whole=len(whole))

    def _has_heading(self, names: int) -> bool:
        """Whether the first row, which has no image in the column of names, is a heading."""
        first = self.rows[0]
        return names >= len(first) or not self.named(first[names])

    @cached_property
    def _column_of_labels(self) -> int | None:
        names = self.column_of_names
        if names is None:
            return None
        try:
            return column_of_labels(self.rows[0], names, is_heading=self._has_heading(names))
        except ColumnsError as error:
            wrong = self._error(*error.args)
            raise wrong if called_label(self.rows[0], names) else NoLabelsError(*wrong.args) from None

    @property
    def unsaid_column(self) -> str:
        """The heading of the column of labels where it does not say that it has these; empty where it does."""
        names, labels = self.column_of_names, self._column_of_labels
        if names is None or labels is None or not self._has_heading(names):
            return ""
        return "" if called_label(self.rows[0], names) else readable(self.rows[0][labels].strip())

    def labels(self) -> Iterator[tuple[Place, str]]:
        """Each image with its label; UnusableInputError where a row may mean two images."""
        names, labels = self.column_of_names, self._column_of_labels
        if names is None or labels is None:
            return
        for row in self.rows:
            places = self.named(row[names]) if len(row) > max(names, labels) else ()
            label = readable(row[labels].strip()) if places else ""
            if len(places) > 1:
                first, second = ("/".join((place[-2], place[-1])) for place in places[:2])
                raise self._error(f"names {row[names]}, which may be {first} or {second}", f"write {first}")
            if any(unicodedata.category(character) in _BREAKS for character in label):
                raise self._error(f"has a label of several lines: {label}", "write it in one line")
            if label.startswith("."):
                raise self._error(f"has a label that begins with a dot: {label}", "call the class otherwise")
            if label:
                yield places[0], label

    def unmatched(self) -> list[str]:
        """The names in rows, after the heading, that no image has."""
        names = self.column_of_names or 0
        return [row[names] for row in self.rows[1:] if len(row) > names and not self.named(row[names])]

    def _error(self, what: str, advice: str) -> UnusableInputError:
        return UnusableInputError(f"the table {self.name} {one_line(what)}: {self.origin}: {one_line(advice)}")


def rows_of(name: str, source: Path | bytes, origin: str) -> list[list[str]]:
    """The rows of a table that are not empty; NoLabelsError where it cannot be read."""
    try:
        text = _content(source).decode("utf-8-sig")
        delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except (OSError, UnicodeError, csv.Error, _TooLargeError) as error:
        raise NoLabelsError(
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


def _is_named(place: Place, name: str) -> bool:
    return readable(place[-1]).casefold() == name.casefold()
