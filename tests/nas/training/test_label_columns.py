"""Columns of names and labels, by headings and by the images that cells name."""

from __future__ import annotations

import pytest

from nas.training.label_columns import ColumnsError, Hits, column_of_labels, column_of_names, shortened


def hits(*images: int, whole: int = 0) -> Hits:
    """A column that names one image a row."""
    return Hits(by_row={row: (image,) for row, image in enumerate(images)}, images=len({*images}), whole=whole)


@pytest.mark.parametrize(
    ("heading", "columns", "expected"),
    [
        (["", "id"], {0: hits(0, 1), 1: hits(1, 0)}, 1),
        (["", "id"], {0: hits(0, 1, 2), 1: hits(1)}, 1),
        (["Unnamed: 0.1", "Unnamed: 0", "photo"], {0: hits(0, 1), 1: hits(0, 1), 2: hits(1, 0)}, 2),
        (["index", "name"], {0: hits(0, 1, 2), 1: hits(1)}, 1),
        (["", "label"], {0: hits(0, 1), 1: hits(1, 0)}, 0),
        (["fold", "photo"], {0: hits(0, 1), 1: hits(1, 0, 2)}, 1),
        (["id", "photo"], {0: hits(0, 1), 1: hits(1, 0, whole=2)}, 1),
        (["id", "Filename "], {0: hits(0, 1), 1: hits(1, 0)}, 1),
        (["name", "path"], {0: hits(0, 1), 1: hits(0, 1)}, 0),
        (["id"], {0: hits(0), 2: hits(1)}, 0),
    ],
)
def test_the_column_of_names(heading: list[str], columns: dict[int, Hits], expected: int) -> None:
    assert column_of_names(heading, columns) == expected


def test_two_columns_that_differ_are_refused() -> None:
    with pytest.raises(ColumnsError, match="'id' and 'name'"):
        column_of_names(["id", "name"], {0: hits(0, 1), 1: hits(1, 0)})


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        (["f", "x"], 1),
        (["f", "x", "class"], 2),
        (["f", "class", "Label"], 2),
        (["f", "label", "y", "class"], 1),
        (["f", "size", "breed"], 2),
        (["f", "Width", "height", "species", "md5"], 3),
        (["f", "size", "label"], 2),
    ],
)
def test_the_column_of_labels(heading: list[str], expected: int) -> None:
    assert column_of_labels(heading, 0, is_heading=True) == expected


@pytest.mark.parametrize(
    ("heading", "listed"),
    [(["f", "size"], "f, size"), (["f", " Split "], "f,  Split "), (["f", "width", "md5"], "f, width, md5")],
)
def test_what_is_known_of_files_is_no_label(heading: list[str], listed: str) -> None:
    with pytest.raises(ColumnsError) as caught:
        column_of_labels(heading, 0, is_heading=True)
    assert caught.value.args == (f"has no column of labels among {listed}", "call one of them label")


def test_a_first_row_that_is_no_heading_has_a_label() -> None:
    assert column_of_labels(["0.png", "date"], 0, is_heading=False) == 1


def test_many_headings_are_shortened() -> None:
    assert shortened(["a", "b", "c", "d", "e"]) == "a, b, c, d, e"
    assert shortened(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d, e, and 1 more"
