"""Several tables beside images in no class folder, and names and labels in unusual forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.training.image_files import list_folder
from tests.nas.training.flat_data import TEST, TRAIN, flat, labels, lines

ALL = len(TRAIN) + len(TEST)


@pytest.mark.parametrize(
    "other",
    [
        b"filename,w,h\na.png,2,2\n",
        b"filename,note\na.png,caf\xe9\n",
        b"filename,size\na.png,10\nd.png,20\n",
        b"filename,size\na,10\na,.20\n",
    ],
    ids=["no label", "Latin-1", "two columns", "dot"],
)
def test_a_table_about_something_else_is_not_read(tmp_path: Path, other: bytes) -> None:
    folder = flat(tmp_path)
    (folder / "about.csv").write_bytes(other)
    (folder / "labels.csv").write_text(lines(TRAIN, TEST))
    found = list_folder(folder)
    assert labels(found) == TRAIN | TEST
    assert found.notes == (
        f"labels are read from labels.csv: {ALL} images",
        "about.csv is not read, since other tables have the labels",
    )


@pytest.mark.parametrize("name", ["labels.csv", "zlabels.csv", "names.csv"])
def test_a_heading_of_labels_or_such_a_name_decides(tmp_path: Path, name: str) -> None:
    folder = flat(tmp_path)
    (folder / "info.csv").write_text("filename,size\na.png,10\nd.png,20\n")
    (folder / name).write_text(lines(TRAIN, TEST, heading="filename,breed" if "label" in name else "filename,label"))
    assert labels(list_folder(folder)) == TRAIN | TEST


def test_a_table_without_a_heading_of_labels_is_read_for_parts_that_have_none(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    (folder / "labels.csv").write_text(lines(TRAIN))
    (folder / "more.csv").write_text(lines(TEST, heading="filename,breed"))
    assert labels(list_folder(folder)) == TRAIN | TEST


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (b"filename,note\nx.png,caf\xe9\n", "the table about.csv cannot be read ("),
        (b"filename,w,h\nd.png,2,2\n", "the table about.csv has no column of labels among filename, w, h: "),
    ],
    ids=["Latin-1", "no label"],
)
def test_a_table_that_may_have_missing_labels_is_refused(tmp_path: Path, other: bytes, why: str) -> None:
    is_of_test = b"d.png" in other
    folder = flat(tmp_path, TRAIN | {"x.png": "cat"})
    (folder / "about.csv").write_bytes(other)
    (folder / "labels.csv").write_text(lines(TRAIN) if is_of_test else lines(TRAIN, TEST))
    with pytest.raises(UnusableInputError, match=f"^{re.escape(why)}"):
        list_folder(folder)


def test_a_contradiction_in_a_table_of_labels_is_refused_beside_other_tables(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    (folder / "labels.csv").write_text(lines(TRAIN, TEST))
    (folder / "second.csv").write_text(lines({"a.png": ".cat"}))
    with pytest.raises(UnusableInputError, match=r"^the table second\.csv has a label that begins with a dot"):
        list_folder(folder)


def test_names_in_another_form_or_case_are_those_of_the_images(tmp_path: Path) -> None:
    composed, decomposed = "\u00e9.png", "e\u0301.png"
    folder = flat(tmp_path, {composed: "cat", "b.PNG": "dog"}, {decomposed: "cat", "C.png": "dog", "c.png": "cat"})
    (folder / "train.csv").write_text(lines({decomposed: "cat", "B.png": "dog"}))
    (folder / "test.csv").write_text(lines({composed: "cat", "c.png": "cat", "C.png": "dog"}))
    found = list_folder(folder)
    assert {file.name: file.class_name for file in found.train} == {composed: "cat", "b.PNG": "dog"}
    assert {file.name: file.class_name for file in found.test} == {composed: "cat", "c.png": "cat", "C.png": "dog"}
    (folder / "test.csv").write_text(lines({composed: "cat", "c.PNG": "cat", "C.png": "dog"}))
    found = list_folder(folder)
    assert {file.name: file.class_name for file in found.test} == {composed: "cat", "C.png": "dog"}
    assert found.notes[1] == "test.csv names images that are not there: 1, c.PNG the first"


def test_labels_in_another_form_are_one_label(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    twice = lines(TRAIN | {"a.png": "\u00e9"}, TEST | {"e.png": "\u00e9"}, {"a.png": "e\u0301"})
    (folder / "labels.csv").write_text(twice.replace("cat", "\u00e9"))
    assert list_folder(folder).classes == ("dog", "\u00e9")


def test_names_that_are_not_there_are_part_of_an_error_about_classes(tmp_path: Path) -> None:
    folder = flat(tmp_path, {"a.png": "cat", "b.png": "dog"}, {"d.png": "dog"})
    (folder / "test.csv").write_text(lines({"d.png": "dog", "q.png": "cat"}))
    (folder / "train.csv").write_text(lines({"p.png": "cat", "b.png": "dog"}))
    absent = [f"{part}.csv names images that are not there: 1, {name} the first" for part, name in
              (("test", "q.png"), ("train", "p.png"))]  # fmt: skip
    why = f"the data holds only the class 'dog' ({'; '.join(absent)}): {folder}: give it two classes or more"
    with pytest.raises(UnusableInputError, match=f"^{re.escape(why)}$"):
        list_folder(folder)
    (folder / "train.csv").write_text(lines({"a.png": "cat", "b.png": "dog"}))
    why = f"train and test hold different classes: 'cat' is only in train ({absent[0]}): {folder}: "
    with pytest.raises(UnusableInputError, match=f"^{re.escape(why)}"):
        list_folder(folder)


def test_two_images_with_one_stem_are_both_named(tmp_path: Path) -> None:
    folder = flat(tmp_path, {"a.bmp": "cat", "a.png": "dog"})
    (folder / "labels.csv").write_text(lines({"a": "cat"}, TEST))
    why = "^the table labels.csv names a, which may be train/a.bmp or train/a.png: .*: write train/a.bmp$"
    with pytest.raises(UnusableInputError, match=why):
        list_folder(folder)


def test_names_and_labels_with_line_breaks_stay_in_one_line(tmp_path: Path) -> None:
    folder = flat(tmp_path, TRAIN | {"x\ny.png": ""})
    (folder / "labels.csv").write_text(lines(TRAIN, TEST, {'"zz\nq.png"': "cat"}))
    assert list_folder(folder).notes[1:] == (
        "labels.csv names images that are not there: 1, zz\N{SYMBOL FOR LINE FEED}q.png the first",
        "1 file was left out (1 in no class folder), train/x\N{SYMBOL FOR LINE FEED}y.png the first",
    )
    (folder / "labels.csv").write_text(lines({"a.png": '"c\nat"'}))
    why = "^the table labels.csv has a label of several lines: c\N{SYMBOL FOR LINE FEED}at: .*: write it in one line$"
    with pytest.raises(UnusableInputError, match=why):
        list_folder(folder)


def test_texts_beside_images_and_files_without_an_ending_are_no_images(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    for name in TRAIN:
        (folder / "train" / name).with_suffix(".txt").write_text("0 0.5 0.5 1 1")
    (folder / "train/README").write_text("no image")
    (folder / "labels.csv").write_text(lines(TRAIN, TEST, {"README": "cat"}).replace(".png", ""))
    found = list_folder(folder)
    assert labels(found) == TRAIN | TEST
    assert found.notes[-1].startswith("4 files were left out (3 .txt, 1 without an ending), ")


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("filename,breed", "the column breed of labels.csv"),
        ("filename,Label", "labels.csv"),
        ("", "labels.csv"),
        ("filename,a\rb", "the column a␍b of labels.csv"),
    ],
)
def test_a_column_that_is_not_called_label_is_named(tmp_path: Path, heading: str, said: str) -> None:
    folder = flat(tmp_path)
    rows = "".join(f"{name},{label}\n" for name, label in (TRAIN | TEST).items())
    (folder / "labels.csv").write_text(f'"{heading}"\n'.replace(",", '","') * bool(heading) + rows, newline="")
    assert list_folder(folder).notes == (f"labels are read from {said}: {ALL} images",)


def test_sizes_of_images_are_no_labels(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    (folder / "files.csv").write_text("filename,size\n" + "".join(f"{name},{len(name)}\n" for name in TRAIN | TEST))
    why = "^the table files.csv has no column of labels among filename, size: .*: call one of them label$"
    with pytest.raises(UnusableInputError, match=why):
        list_folder(folder)
