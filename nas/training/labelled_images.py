"""Puts images that are in no class folder into the folder of the label that tables beside them give."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.output.plain import one_line
from nas.training.image_tree import PART_OF, Place, Tree, is_table, junk, readable
from nas.training.label_tables import LabelTable, NoLabelsError, rows_of

_ANSWERS_LEFT_OUT = "submission"
"""A table with this in its name is an example of the form of answers, whose labels are no truth."""

_TEXTS = frozenset({".txt", ".json", ".xml", ".caption", ".yaml", ".yml"})
"""Endings of what may be said about an image in a file of the same name."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A tree with each labelled image in the class folder of its label."""

    tree: Tree
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Messages about names in tables that no image has."""


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What a table says, or the error that refuses it."""

    name: str
    is_sure: bool
    scope: Collection[Place]
    """The images that the table may name."""
    column: str = ""
    """The heading of the column of labels, where that does not say what it has."""
    labels: Sequence[tuple[Place, str]] = ()
    missing: Sequence[str] = ()
    refusal: UnusableInputError | None = None
    images: Collection[Place] = ()
    """The images that a refused table names."""

    def on_missing(self) -> list[str]:
        """A message about names that no image has, if there are any."""
        if not self.missing:
            return []
        count, first = len(self.missing), one_line(self.missing[0])
        return [f"{self.name} names images that are not there: {count:,}, {first} the first"]

    def refuse(self, labels: Mapping[Place, str]) -> str:
        """A message that this refused table is not read; its error where that leaves out labels."""
        assert self.refusal is not None
        parts, endings = {p[-2] for p in labels}, {_ending(p) for p in labels}
        is_needed = any(p[-2] not in parts for p in self.images)
        if not self.images:
            is_needed = any(p not in labels and (p[-2] not in parts or _ending(p) in endings) for p in self.scope)
        if is_needed or (self.is_sure and not isinstance(self.refusal, NoLabelsError)):
            raise self.refusal
        return f"{self.name} is not read, since other tables have the labels"


def with_labels(origin: str, tree: Tree, root: Place) -> Labelled:
    """Label the images of parts without class folders, with messages for the user.

    A table that surely has labels is taken before the others, which are read only for parts that it does not label.
    Raises UnusableInputError for a table that is needed and cannot be read, and for contradictions.
    """
    labels: dict[Place, str] = {}
    notes: list[str] = []
    missing: list[str] = []
    sure_parts: set[str] = set()
    loose = _loose(tree, root)
    for table in _readings(origin, tree, root, loose) if loose else ():
        if table.refusal:
            notes.append(table.refuse(labels))
            continue
        used = [(p, label) for p, label in table.labels if table.is_sure or p[-2] not in sure_parts]
        before = len(labels)
        _add(labels, used, origin, root)
        if table.is_sure:
            sure_parts |= {p[-2] for p, _ in used}
        if len(labels) > before:
            column = f"the column {one_line(table.column)} of " if table.column else ""
            notes.append(f"labels are read from {column}{table.name}: {len(labels) - before:,} images")
            missing += table.on_missing()
            notes += table.on_missing()
        elif table.labels and not used:
            notes.append(f"{table.name} is not read, since other tables have the labels")
    files = {(*p[:-1], labels[p], p[-1]) if p in labels else p: source for p, source in tree.files.items()}
    return Labelled(tree=replace(tree, files=files), notes=tuple(notes), missing=tuple(missing))


def _add(labels: dict[Place, str], used: Sequence[tuple[Place, str]], origin: str, root: Place) -> None:
    for place, label in used:
        if labels.setdefault(place, label) != label:
            names = f"{labels[place]} and {label}"
            raise UnusableInputError(f"{_path(place, root)} has two labels: {names}: {origin}: keep one of them")


def _loose(tree: Tree, root: Place) -> list[Place]:
    """The files directly inside a part that has no folders, without captions and such: ``1.txt`` beside ``1.png``."""
    depth = len(root)
    known = [p for p in [*tree.files, *tree.folders] if p[:depth] == root and junk(p, p[depth:]) is None]
    folders = {p[depth] for p in known if len(p) > depth + (2 if p in tree.files else 1)}
    flat = PART_OF.keys() - folders
    inside = sorted(p for p in known if len(p) == depth + 2 and p in tree.files)
    stems = {_stem(p) for p in inside if _ending(p) not in _TEXTS}
    return [
        p
        for p in inside
        if p[depth] in flat and not is_table(p[-1]) and not (_ending(p) in _TEXTS and _stem(p) in stems)
    ]


def _readings(origin: str, tree: Tree, root: Place, loose: Sequence[Place]) -> Iterator[_Reading]:
    """Every table beside the images, those that surely have labels first, and of these the usable ones."""
    found = [_reading(*one, origin, root) for one in _tables(tree, root, loose)]
    yield from sorted(found, key=lambda one: (not one.is_sure, one.refusal is not None))


def _reading(
    name: str, source: Path | bytes, images: Mapping[str, Sequence[Place]], origin: str, root: Place
) -> _Reading:
    table = LabelTable(name=name, rows=(), images=images, origin=origin)
    scope = frozenset(place for places in images.values() for place in places)
    try:
        table = replace(table, rows=rows_of(name, source, origin))
        labels = tuple(table.labels())
        missing = table.unmatched() if labels else []
    except UnusableInputError as error:
        named = {place for row in table.rows for cell in row for place in table.named(cell)}
        return _Reading(name=name, is_sure=table.is_sure, refusal=error, images=frozenset(named), scope=scope)
    column = table.unsaid_column
    return _Reading(name=name, is_sure=table.is_sure, column=column, labels=labels, missing=missing, scope=scope)


def _tables(
    tree: Tree, root: Place, loose: Sequence[Place]
) -> Iterator[tuple[str, Path | bytes, Mapping[str, Sequence[Place]]]]:
    """Name and content of each table, and the images that it may name."""
    depth = len(root)
    of_part: dict[str | None, Mapping[str, Sequence[Place]]] = {}
    for place, source in sorted({**tree.tables, **tree.files}.items()):
        is_beside, file = place[:depth] == root and len(place) in {depth + 1, depth + 2}, place[-1].lower()
        if not is_beside or not is_table(file) or junk(place, place[depth:]) or _ANSWERS_LEFT_OUT in file:
            continue
        first = place[depth] if len(place) == depth + 2 else re.split("[^a-z]", file)[0]
        part = PART_OF.get(first)
        if part not in of_part:
            of_part[part] = _by_name([p for p in loose if part in {None, PART_OF[p[depth]]}], root)
        yield _path(place, root), source, of_part[part]


def _by_name(images: Sequence[Place], root: Place) -> Mapping[str, Sequence[Place]]:
    """The images by path in the data and by name, each with and without its ending."""
    found: dict[str, list[Place]] = {}
    for image in images:
        path, name = readable(_path(image, root)), readable(image[-1])
        for key in {path, posixpath.splitext(path)[0], name, posixpath.splitext(name)[0]}:
            found.setdefault(key, []).append(image)
    return found


def _path(place: Place, root: Place) -> str:
    return "/".join(place[len(root) :])


def _stem(place: Place) -> Place:
    return (*place[:-1], posixpath.splitext(place[-1])[0])


def _ending(place: Place) -> str:
    return posixpath.splitext(place[-1])[1].lower()
