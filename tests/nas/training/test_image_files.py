"""Which files of a folder belong to which part and class, and what is left out."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training import datasets
from nas.training.image_files import FORMATS, SUFFIXES, list_folder
from nas.training.image_tree import folder_key, readable
from tests.nas.training.conftest import MakeFolder


def test_images_are_one_folder_deeper_than_the_data(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(count=1)
    (tmp_path / "outer").mkdir()
    folder.rename(tmp_path / "outer" / "pictures")
    assert len(list_folder(tmp_path / "outer").train) == 2
    shutil.copytree(tmp_path / "outer" / "pictures", tmp_path / "outer" / "copy")
    with pytest.raises(UnusableInputError, match=r"more than one data set: .*outer: give one of them, such as .*copy"):
        list_folder(tmp_path / "outer")


def test_images_are_one_folder_deeper_than_their_class(make_folder: MakeFolder) -> None:
    folder = make_folder(count=2)
    (folder / "train/cat/day 1").mkdir()
    (folder / "train/cat/001.png").rename(folder / "train/cat/day 1/001.png")
    listing = list_folder(folder)
    assert [file.label for file in listing.train][:2] == ["train/cat/000.png", "train/cat/day 1/001.png"]
    assert listing.left_out == ()


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_split_of_the_data_is_used_and_said(make_folder: MakeFolder, tmp_path: Path, name: str) -> None:
    folder = make_folder(count=4)
    before = datasets.load(str(folder), cache=tmp_path / "c")
    for kind, number in (("cat", 3), ("dog", 2)):
        (folder / name / kind).mkdir(parents=True)
        (folder / f"train/{kind}/00{number}.png").rename(folder / name / kind / f"00{number}.png")
    data = datasets.load(str(folder), cache=tmp_path / "c")
    assert data.warnings == ("the data's own validation split is used: 2 images select, no others",)
    assert data.split().train.tolist() == [0, 1, 2, 3, 4, 5]
    assert data.split(seed=9).validation.tolist() == [6, 7]
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 1]
    assert (data.train_images[6] == before.train_images[3]).all()
    assert data.content_hash != before.content_hash


def test_the_split_is_part_of_the_content(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, hashes = make_folder(count=2), []
    for numbers in (("000", "001"), ("001", "000")):
        for kind in ("cat", "dog"):
            (folder / "val" / kind).mkdir(parents=True, exist_ok=True)
            (folder / f"train/{kind}/{numbers[0]}.png").rename(folder / f"val/{kind}/{numbers[0]}.png")
            if "001" in numbers[:1]:
                (folder / f"val/{kind}/000.png").rename(folder / f"train/{kind}/000.png")
        hashes.append(datasets.load(str(folder), cache=tmp_path / "c").content_hash)
    assert hashes[0] != hashes[1]


def test_a_validation_split_of_other_classes_is_refused(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    (folder / "val").mkdir()
    assert list_folder(folder).validation == 0
    shutil.copytree(folder / "train/cat", folder / "val/wolf")
    with pytest.raises(UnusableInputError, match="train and validation hold different classes: 'cat' is only in train"):
        list_folder(folder)


def test_labels_corrected_by_files_of_one_size_and_time_are_noticed(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    cat, dog = folder / "train/cat/000.png", folder / "train/dog/000.png"
    for path in (cat, dog):
        path.write_bytes(path.read_bytes().ljust(400, b"\0"))
        os.utime(path, ns=(10**18, 10**18))
    before = folder_key(folder)
    cat.rename(folder / "aside.png")
    dog.rename(cat)
    (folder / "aside.png").rename(dog)
    assert folder_key(folder) != before


def test_what_is_left_out_is_counted_by_reason(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(count=1)
    (folder / "train/cat/._000.png").write_bytes(b"x")
    (folder / "train/cat/gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "train/cat/circle.png").symlink_to("circle.png")
    (folder / "train/cat/around").symlink_to(folder / "train")
    (folder / "train/loose.png").write_bytes(b"x")
    (folder / "test/dog/Thumbs.db").write_bytes(b"x")
    (folder / "__MACOSX/train/wolf").mkdir(parents=True)
    listing = list_folder(folder)
    assert len(listing.train) == 2
    assert listing.notes == (
        "6 files were left out (3 dangling link or device, 1 .db, 1 in no class folder, 1 of macOS), "
        "test/dog/Thumbs.db the first",
    )


def test_links_to_files_and_folders_are_followed(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(count=1)
    (folder / "train/dog").rename(tmp_path / "pool")
    (folder / "train/dog").symlink_to(tmp_path / "pool")
    (folder / "train/dog/two.png").symlink_to("000.png")
    assert [file.label for file in list_folder(folder).train][1:] == ["train/dog/000.png", "train/dog/two.png"]


def test_names_in_another_form_or_encoding_are_one_class(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(classes=("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "dog"), count=1)
    composed = folder / "test" / "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    composed.rename(folder / "test" / unicodedata.normalize("NFD", composed.name))
    train = os.fsencode(folder / "train")
    os.rename(train + b"/caf\xc3\xa9", train + b"/caf\xe9")  # noqa: PTH104 (bytes)
    data = datasets.load(str(folder), cache=tmp_path / "c")
    assert data.classes == ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "dog")


def test_readable_names_can_be_printed() -> None:
    assert readable("a\udce9") == "a\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_a_folder_that_cannot_be_read_is_named(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(count=1)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UnusableInputError, match=r"the data cannot be read \(Permission denied\): .*pictures"):
        list_folder(folder)


def test_images_in_folders_inside_a_class_folder_are_said(make_folder: MakeFolder) -> None:
    folder = make_folder(count=2)
    (folder / "test/dog/small").mkdir()
    (folder / "test/dog/001.png").rename(folder / "test/dog/small/001.png")
    assert list_folder(folder).notes == (
        "images in folders inside a class folder: 1, test/dog/small/001.png the first: "
        "they belong to the class of the outer folder",
    )


def test_two_validation_splits_are_refused(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    shutil.copytree(folder / "test", folder / "val")
    shutil.copytree(folder / "test", folder / "validation")
    with pytest.raises(UnusableInputError, match=r"more than one validation split: val and validation: .*: move"):
        list_folder(folder)


@pytest.mark.parametrize(("part", "name"), [("train", "Train"), ("train", "training"), ("test", "TEST_set")])
def test_a_part_of_almost_its_name_is_named(make_folder: MakeFolder, part: str, name: str) -> None:
    folder = make_folder(count=1)
    (folder / part).rename(folder / name)
    with pytest.raises(UnusableInputError, match=rf"no {part} folder in the data: .*: it holds '{name}': rename"):
        list_folder(folder)


def test_every_ending_of_the_formats_that_are_read_is_that_of_an_image() -> None:
    Image.init()
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS}
    assert endings - {".ico"} == SUFFIXES
    assert {".jfif", ".jpe", ".jp2", ".webp", ".avif", ".tiff"} < SUFFIXES


@pytest.mark.parametrize("ending", ["jfif", "jpe", "JPG", "jp2", "JP2", "avif", "webp", "TIFF", "tga", "apng", "BMP"])
def test_images_of_other_endings_are_read(make_folder: MakeFolder, ending: str, tmp_path: Path) -> None:
    folder = make_folder(count=2)
    kind = Image.registered_extensions()[f".{ending.lower()}"]
    for path in folder.glob("*/*/*.png"):
        Image.new("RGB", (8, 8), (200, 100, 0)).save(path.with_suffix(f".{ending}"), kind)
        path.unlink()
    data = datasets.load(str(folder), cache=tmp_path / "cache")
    assert data.train_images.shape == (4, 8, 8, 3)
    assert np.abs(data.train_images.mean((0, 1, 2)) - [200, 100, 0]).max() < 8  # of lossy formats
    assert not [line for line in data.warnings if "left out" in line]


def test_what_is_left_out_of_other_kinds_is_counted_by_ending(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    for name in ("a.heic", "b.HEIC", "c.svg", "README"):
        (folder / "train/cat" / name).write_bytes(b"x")
    assert list_folder(folder).notes == (
        "4 files were left out (2 .heic, 1 .svg, 1 without an ending), train/cat/README the first",
    )
    for number in range(9):
        (folder / f"train/cat/0.x{number}").write_bytes(b"x")
    (note,) = list_folder(folder).notes
    assert note.startswith("13 files were left out (2 .heic, ")
    assert ", 4 of other kinds), train/cat/0.x0 the first" in note  # 8 of the 12 reasons are counted by name


def test_a_class_of_files_of_another_kind_is_named(make_folder: MakeFolder) -> None:
    folder = make_folder(count=2)
    for name in ("000", "001"):
        (folder / f"train/cat/{name}.png").rename(folder / f"train/cat/{name}.heic")
    expected = r"no images: train/cat: .*: it holds 2 files of other kinds, train/cat/000.heic the first: make them"
    with pytest.raises(UnusableInputError, match=expected):
        list_folder(folder)


@pytest.mark.parametrize("depth", [0, 1])
def test_flat_parts_with_a_table_of_labels_are_refused_with_the_table(tmp_path: Path, depth: int) -> None:
    outer = tmp_path / "flat"
    folder = outer / ("inner" * depth)
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
        Image.new("L", (2, 2)).save(folder / part / "1.png")
    where = re.escape(f": train/1.png: {outer}: put each into train/<class>/, or its name and label into a line of ")
    what = "^images of train are in no class folder, and "
    with pytest.raises(UnusableInputError, match=f"{what}there is no labels.csv of them{where}labels.csv$"):
        list_folder(outer)
    (folder / "labels.csv").write_text("2.png,cat\n")
    with pytest.raises(UnusableInputError, match=f"{what}labels.csv gives a label to none of them{where}labels.csv$"):
        list_folder(outer)


def test_a_flat_part_beside_one_with_classes_is_named(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    shutil.rmtree(folder / "test")
    shutil.copytree(folder / "train/cat", folder / "test")
    (folder / "test/answers.tsv").write_text("other.png\tcat\n")
    why = r"^images of test are in no class folder, and test/answers.tsv gives a label to none of them: test/000.png: "
    with pytest.raises(UnusableInputError, match=why):
        list_folder(folder)


def test_a_table_beside_the_parts_changes_no_key(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    before = folder_key(folder)
    (folder / "labels.csv").write_text("000.png,cat\n")
    assert folder_key(folder) == before
    assert list_folder(folder).classes == ("cat", "dog")


def test_classes_that_differ_in_case_are_named_as_such(make_folder: MakeFolder) -> None:
    folder = make_folder(classes=("ant", "c1", "d"), count=1)
    (folder / "test/c1").rename(folder / "test/C1")
    (folder / "test/ant").rename(folder / "test/bee")
    why = "'c1' is only in train, 'C1' only in test, and they differ in upper and lower case: "
    with pytest.raises(UnusableInputError, match=f"^train and test hold different classes: {why}"):
        list_folder(folder)
    (folder / "test/C1").rename(folder / "test/c1")
    with pytest.raises(UnusableInputError, match="hold different classes: 'ant' is only in train: "):
        list_folder(folder)
