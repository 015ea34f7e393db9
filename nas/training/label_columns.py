"""Which columns of a table have the names of images and their labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

LABEL = "label"
"""The heading that is always that of the labels, whatever the other columns are called."""
LABELS = frozenset({LABEL, "labels", "class", "class_name", "classname", "category", "target", "y"})
"""Headings of a column of labels, in small letters; any other is taken where a table has two columns."""
FILENAME = "filename"
"""The heading that decides where several columns name equally many images."""
NAMES = frozenset({FILENAME, "file", "file_name", "image", "img", "image_id", "id", "path", "name"})
_ABOUT_FILES = frozenset(
    {"size", "file_size", "filesize", "bytes", "width", "height", "channels", "format", "url", "hash", "md5", "sha256"}
    | {"date", "time", "timestamp", "created", "modified", "split", "part", "subset", "fold"}
)
"""Headings of what is known of a file beside its class, which are never taken for labels unasked."""
_INDEX = re.compile(r"|unnamed: [\d.]+|index|level_0")
"""Headings of the row numbers that pandas writes and reads."""
_MOST_LISTED = 5


class ColumnsError(Exception):
    """A table without columns of names and labels; its arguments are what is wrong with the table, and advice."""


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The images that the cells of a column name."""

    by_row: Mapping[int, Collection[object]]
    """Number of a row -> its images."""
    images: int
    whole: int
    """Images whose cells have the whole name, with its ending."""


def column_of_names(heading: Sequence[str], hits: Mapping[int, Hits]) -> int:
    """The column that names the most images; ColumnsError where two do that and differ.

    Row numbers and labels such as digits may be names of images too, so columns headed like these come last.
    """
    titles = {i: heading[i].strip().lower() if i < len(heading) else "" for i in hits}
    sure = {i for i in hits if titles[i] in NAMES}
    columns = [i for i in hits if titles[i] not in LABELS and not (sure and _INDEX.fullmatch(titles[i]))] or list(hits)
    ranks = {
        i: (hits[i].images, hits[i].whole, titles[i] == FILENAME, titles[i] in NAMES, not _INDEX.fullmatch(titles[i]))
        for i in columns
    }
    best = [i for i in columns if ranks[i] == max(ranks.values())]
    for other in best[1:]:
        if hits[other].by_row != hits[best[0]].by_row:
            names = " and ".join(repr(heading[i]) if i < len(heading) else f"number {i + 1}" for i in (best[0], other))
            raise ColumnsError(f"has two columns that may name the images: {names}", f"call one of them {FILENAME}")
    return best[0]


def called_label(heading: Sequence[str], names: int) -> list[int]:
    """The columns whose heading says that they have labels: the one called ``label``, or all of similar names."""
    titles = [title.strip().lower() for title in heading]
    called = [i for i, title in enumerate(titles) if title in LABELS and i != names]
    return [i for i in called if titles[i] == LABEL] or called


def column_of_labels(heading: Sequence[str], names: int, *, is_heading: bool) -> int:
    """The column of labels; ColumnsError where none or several may be it.

    ``is_heading`` says whether the first row is one: where it names an image, what it has there is a label.
    """
    others = [i for i in range(len(heading)) if i != names]
    called = called_label(heading, names)
    found = called or [i for i in others if not is_heading or heading[i].strip().lower() not in _ABOUT_FILES]
    if len(found) == 1:
        return found[0]
    listed = shortened([heading[i] for i in found])
    if not others:
        raise ColumnsError(f"has no column beside {shortened(heading)}", f"add one called {LABEL}")
    if not called:
        raise ColumnsError(f"has no column of labels among {shortened(heading)}", f"call one of them {LABEL}")
    if heading[found[0]].strip().lower() == LABEL:
        raise ColumnsError(f"has {len(found)} columns called {LABEL}", "keep one of them")
    raise ColumnsError(f"has several columns of labels: {listed}", f"call one of them {LABEL}")


def shortened(headings: Sequence[str]) -> str:
    """The headings with commas between them; of many, the first ones and the number of the others."""
    rest = len(headings) - _MOST_LISTED
    return ", ".join([*headings[:_MOST_LISTED], *([f"and {rest:,} more"] if rest > 0 else [])])
