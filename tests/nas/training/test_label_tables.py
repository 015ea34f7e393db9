"""Labels from tables beside images that are in no class folder; every expected label is written in the table."""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training import datasets, label_tables
from nas.training.archives import list_archive
from nas.training.image_files import list_folder
from nas.training.image_tree import Place, folder_key
from nas.training.label_tables import LabelTable
from tests.nas.training.flat_data import TEST, TRAIN, flat, labels, lines


@pytest.mark.parametrize(
    "table",
    [
        lines(TRAIN, TEST),
        lines(TRAIN, TEST, heading=""),
        lines(TRAIN, TEST, heading="file;class", by=";"),
        "\ufeff" + lines(TRAIN, TEST).replace("\n", "\r\n"),
        lines(TRAIN, TEST).replace(".png", ""),
        lines({f"train/{n}": c for n, c in TRAIN.items()}, {f"./data/test/{n}": c for n, c in TEST.items()}),
        "id,size,class\n" + "".join(f"{n},7,{c}\n" for n, c in (TRAIN | TEST).items()),
    ],
    ids=["commas", "no heading", "semicolons", "of Windows", "no endings", "paths", "three columns"],
)
def test_labels_are_those_of_a_table_beside_the_parts(tmp_path: Path, table: str) -> None:
    folder = flat(tmp_path / "data")
    (folder / "labels.csv").write_bytes(table.encode())
    found = list_folder(folder)
    assert labels(found) == TRAIN | TEST
    assert found.classes == ("cat", "dog")
    assert found.notes == ("labels are read from labels.csv: 5 images",)


def test_each_part_may_have_its_own_table_and_names_that_the_other_has_too(tmp_path: Path) -> None:
    folder = flat(tmp_path, {"0.png": "1", "1.png": "0"}, {"0.png": "0", "1.png": "1"})
    (folder / "train_labels.csv").write_text("id,label\n0,1\n1,0\n")
    (folder / "test/answers.tsv").write_text("0.png\t0\n1.png\t1\n")
    (folder / "sample_submission.csv").write_text("id,label\n0,0\n1,0\n")
    found = list_folder(folder)
    assert [(file.part, file.name, file.class_name) for file in (*found.train, *found.test)] == [
        ("train", "1.png", "0"), ("train", "0.png", "1"), ("test", "0.png", "0"), ("test", "1.png", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_read_in_the_same_way(tmp_path: Path, kind: str) -> None:
    folder = flat(tmp_path / "data")
    (folder / "labels.csv").write_text(lines(TRAIN, TEST))
    archive = tmp_path / f"data.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for file in sorted(folder.rglob("*.*")):
                packed.write(file, file.relative_to(tmp_path))
    else:
        with tarfile.open(archive, "w") as tar:
            tar.add(folder, "data")
    found = list_archive(archive)
    assert labels(found) == TRAIN | TEST
    assert found.notes == ("labels are read from labels.csv: 5 images",)


def test_what_has_no_label_and_what_is_not_there_is_counted(tmp_path: Path) -> None:
    folder = flat(tmp_path, TRAIN | {"x.png": ""})
    (folder / "labels.csv").write_text(lines(TRAIN, TEST, {"y.png": "cat", "z.png": "dog", "x.png": " "}))
    found = list_folder(folder)
    assert labels(found) == TRAIN | TEST
    assert found.notes == (
        "labels are read from labels.csv: 5 images",
        "labels.csv names images that are not there: 2, y.png the first",
        "1 file was left out (1 in no class folder), train/x.png the first",
    )


def test_a_part_with_class_folders_reads_no_table(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / part / name).mkdir()
            Image.new("L", (2, 2)).save(folder / part / name / "1.png")
    (folder / "labels.csv").write_text(lines(TRAIN, TEST))
    found = list_folder(folder)
    assert len(found.train) == len(found.test) == 2
    assert found.notes == ("5 files were left out (5 in no class folder), test/d.png the first",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "filename,cat,dog\na.png,1,0\n",
            "the table labels.csv has no column of labels among filename, cat, dog: {}: ",
        ),
        (lines(TRAIN, TEST, {"a.png": "dog"}), "train/a.png has two labels: cat and dog: {}: keep one of them"),
        (lines({"a.png": ".cat"}), "the table labels.csv has a label that begins with a dot: .cat: {}: call"),
        ("filename,label\na.png,caf\udce9\n", "the table labels.csv cannot be read ("),
        (lines(TRAIN), "images of test are in no class folder, and labels.csv gives a label to none of them: test/d"),
        (lines({"other.png": "cat"}), "images of train are in no class folder, and labels.csv gives a label to none"),
    ],
    ids=["one-hot", "two labels", "hidden", "latin", "half", "none"],
)
def test_what_cannot_be_read_as_one_label_an_image_is_refused(tmp_path: Path, table: str, message: str) -> None:
    folder = flat(tmp_path)
    (folder / "labels.csv").write_bytes(table.encode("utf-8", "surrogateescape"))
    with pytest.raises(UnusableInputError, match=f"^{re.escape(message.format(folder))}"):
        list_folder(folder)


def test_a_name_that_both_parts_have_is_refused_in_a_table_of_both(tmp_path: Path) -> None:
    folder = flat(tmp_path, {"0.png": "a", "1.png": "b"}, {"0.png": "b", "2.png": "a"})
    (folder / "labels.csv").write_text(lines({"1.png": "b", "0.png": "a", "2.png": "a"}))
    with pytest.raises(UnusableInputError, match=r"0\.png, which may be test/0\.png or train/0\.png: .*: write "):
        list_folder(folder)
    paths = {"train/0.png": "a", "train/1.png": "b", "test/0.png": "b", "test/2.png": "a"}
    (folder / "labels.csv").write_text(lines(paths, {"train/2.png": "b"}))
    found = list_folder(folder)
    assert found.notes[1] == "labels.csv names images that are not there: 1, train/2.png the first"
    assert {f"{file.part}/{file.name}": file.class_name for file in (*found.train, *found.test)} == paths


def test_other_labels_are_other_data(tmp_path: Path) -> None:
    folder = flat(tmp_path / "data")
    (folder / "labels.csv").write_text(lines(TRAIN, TEST))
    before, key = datasets.load(str(folder), cache=tmp_path / "cache"), folder_key(folder)
    (folder / "labels.csv").write_text(lines(TRAIN | {"a.png": "dog"}, TEST))
    after = datasets.load(str(folder), cache=tmp_path / "cache")
    assert folder_key(folder) != key
    assert np.bincount(before.train_labels).tolist() == [2, 1]
    assert np.bincount(after.train_labels).tolist() == [1, 2]
    assert before.content_hash != after.content_hash


NUMBERS = {"0.png": "dog", "1.png": "dog", "2.png": "cat"}


@pytest.mark.parametrize(
    "table",
    [
        ",id,label\n0,2,cat\n1,0,dog\n2,1,dog\n",
        "Unnamed: 0,image,label\n0,2,cat\n1,0,dog\n2,1,dog\n",
        ",photo,label\n0,2,cat\n1,0,dog\n2,1,dog\n",
        "id,photo,label\n0,2.png,cat\n1,0.png,dog\n2,1.png,dog\n",
        "label,file,row\ncat,2,0\ndog,0,1\ndog,1,2\n",
        "id,filename,label\n0,2,cat\n1,0,dog\n2,1,dog\n",
    ],
    ids=["index", "Unnamed: 0", "other heading", "whole names", "right", "filename"],
)
def test_row_numbers_are_no_names_of_images(tmp_path: Path, table: str) -> None:
    folder = flat(tmp_path, NUMBERS, TEST)
    (folder / "train.csv").write_text(table)
    (folder / "test.csv").write_text(lines(TEST))
    assert labels(list_folder(folder)) == NUMBERS | TEST


def test_row_numbers_that_name_more_images_are_no_names_either(tmp_path: Path) -> None:
    folder = flat(tmp_path, NUMBERS, TEST)
    (folder / "train.csv").write_text(",id,label\n0,2,cat\n1,0,dog\n2,7,cat\n")
    (folder / "test.csv").write_text(lines(TEST))
    assert labels(list_folder(folder)) == {"2.png": "cat", "0.png": "dog"} | TEST


def test_two_columns_that_name_images_differently_are_refused(tmp_path: Path) -> None:
    folder = flat(tmp_path, NUMBERS, TEST)
    (folder / "train.csv").write_text("row,photo,label\n0,2,cat\n1,0,dog\n2,1,dog\n")
    (folder / "test.csv").write_text(lines(TEST))
    why = "^the table train.csv has two columns that may name the images: 'row' and 'photo': "
    with pytest.raises(UnusableInputError, match=f"{why}.*: call one of them filename$"):
        list_folder(folder)
    (folder / "train.csv").write_text("row,path,name,label\n9,train/2.png,2.png,cat\n1,train/0.png,0.png,dog\n")
    assert labels(list_folder(folder)) == {"2.png": "cat", "0.png": "dog"} | TEST


@pytest.mark.parametrize("heading", ["filename,class,label", "filename,label,target", "label_id,Label,filename"])
def test_the_column_called_label_has_the_labels(tmp_path: Path, heading: str) -> None:
    titles = heading.lower().split(",")
    folder = flat(tmp_path)
    cells = [{"filename": name, "label": label} for name, label in (TRAIN | TEST).items()]
    rows = [",".join(row.get(title, "7") for title in titles) for row in cells]
    (folder / "labels.csv").write_text("\n".join([heading, *rows]))
    assert labels(list_folder(folder)) == TRAIN | TEST


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        ("filename,target,category", "has several columns of labels: target, category: {}: call one of them label"),
        ("filename,label,label", "has 2 columns called label: {}: keep one of them"),
        ("id", "has no column beside id: {}: add one called label"),
        (
            ",".join(["id", *(f"p{number}" for number in range(1, 3001))]),
            "has no column of labels among id, p1, p2, p3, p4, and 2,996 more: {}: call one of them label",
        ),
    ],
    ids=["several", "twice", "alone", "many"],
)
def test_what_a_table_lacks_is_advised(tmp_path: Path, heading: str, message: str) -> None:
    folder = flat(tmp_path)
    row = ",".join(["a.png", *(["cat"] * heading.count(","))])
    (folder / "labels.csv").write_text(f"{heading}\n{row}\n")
    with pytest.raises(UnusableInputError, match=f"^the table labels.csv {re.escape(message.format(folder))}$"):
        list_folder(folder)


def test_only_files_are_tables(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    os.mkfifo(folder / "a.csv")
    (folder / "b.csv").mkdir()
    (folder / "c.csv").symlink_to("/dev/zero")
    (folder / "d.csv").symlink_to(folder / "nowhere")
    (folder / "z.csv").write_text(lines(TRAIN, TEST))
    assert labels(list_folder(folder)) == TRAIN | TEST
    assert folder_key(folder) == folder_key(folder)


def test_a_table_of_more_than_the_largest_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, content = flat(tmp_path), lines(TRAIN, TEST)
    (folder / "labels.csv").write_text(content)
    monkeypatch.setattr(label_tables, "LARGEST_TABLE", len(content))
    assert labels(list_folder(folder)) == TRAIN | TEST
    monkeypatch.setattr(label_tables, "LARGEST_TABLE", len(content) - 1)
    why = f"^the table labels.csv cannot be read .it is larger than {len(content) - 1} bytes"
    with pytest.raises(UnusableInputError, match=why):
        list_folder(folder)


def test_a_copy_without_the_labels_of_tables_is_not_used(tmp_path: Path) -> None:
    """Format 4 left out images in no class folder; its copies have the same key."""
    folder, cache = tmp_path / "data", tmp_path / "cache"
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / part / name).mkdir(parents=True)
            Image.new("L", (2, 2)).save(folder / part / name / "1.png")
    (folder / "val").mkdir()
    Image.new("L", (2, 2)).save(folder / "val/1.png")
    Image.new("L", (2, 2)).save(folder / "val/2.png")
    assert len(datasets.load(str(folder), cache=cache).train_labels) == 2
    (place,) = (cache / "datasets").glob("*-v*[0-9]")
    old = place.rename(f"{str(place).rpartition('-v')[0]}-v4")
    (folder / "val/labels.csv").write_text("1.png,cat\n2.png,dog\n")
    old.rename(old.with_name(f"{folder_key(folder)[:32]}-v4"))
    assert len(datasets.load(str(folder), cache=cache).train_labels) == 4


def test_each_cell_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    search = LabelTable._search

    def counted(table: LabelTable, cell: str) -> Sequence[Place]:
        looked.append(cell)
        return search(table, cell)

    monkeypatch.setattr(LabelTable, "_search", counted)
    images = {name: (("train", name),) for name in ("a.png", "b.png")}
    rows = [["file", "label"], ["a.png", "cat"], ["b.png", "dog"], ["c.png", "dog"]]
    table = LabelTable(name="labels.csv", rows=rows, images=images, origin="data")
    assert [(place[-1], label) for place, label in table.labels()] == [("a.png", "cat"), ("b.png", "dog")]
    assert table.unmatched() == ["c.png"]
    assert sorted(looked) == ["a.png", "b.png", "c.png", "cat", "dog", "file", "label"]
