"""Loading and refusing data."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training import cifar10, datasets, splits
from nas.training.decoded import Dataset

MakeFolder = Callable[..., Path]


def pack(folder: Path, archive: Path, mode: str) -> Path:
    """Pack a folder as a tar under a prefix of its own."""
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, arcname="anything/inside")
    return archive


def test_a_folder_keeps_its_pixels_labels_and_order(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(classes=("dog", "cat"), count=3, size=(8, 6))
    data = datasets.load(str(folder), cache=tmp_path / "cache")
    assert data.name == "pictures"
    assert data.classes == ("cat", "dog")
    assert data.image_shape == (3, 6, 8)
    assert data.train_labels.tolist() == data.test_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.train_images.dtype == np.uint8
    np.testing.assert_array_equal(data.train_images[4], np.asarray(Image.open(folder / "train/dog/001.png")))
    np.testing.assert_array_equal(data.test_images[2], np.asarray(Image.open(folder / "test/cat/002.png")))
    with pytest.raises(ValueError, match="read-only"):
        data.train_images[0] = 0


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz"), ("a.tar.bz2", "w:bz2")]
)
def test_a_tar_holds_the_same_as_its_folder(make_folder: MakeFolder, tmp_path: Path, name: str, mode: str) -> None:
    folder = make_folder()
    packed = datasets.load(str(pack(folder, tmp_path / name, mode)), cache=tmp_path / "cache")
    assert packed.content_hash == datasets.load(str(folder), cache=tmp_path / "cache").content_hash
    assert packed.name == name


def test_the_content_hash_follows_the_pixels(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder()
    before = datasets.load(str(folder), cache=tmp_path / "cache").content_hash
    Image.new("RGB", (8, 6)).save(folder / "test/dog/003.png")
    assert datasets.load(str(folder), cache=tmp_path / "cache").content_hash != before


def test_grey_images_keep_one_channel_and_mixed_ones_are_spread(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(mode="L")
    grey = datasets.load(str(folder), cache=tmp_path / "cache")
    assert grey.image_shape == (1, 6, 8)
    Image.new("RGB", (8, 6), (1, 2, 3)).save(folder / "train/cat/000.png")
    mixed = datasets.load(str(folder), cache=tmp_path / "cache")
    assert mixed.image_shape == (3, 6, 8)
    assert mixed.train_images[0, 0, 0].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(mixed.train_images[1], np.repeat(grey.train_images[1], 3, axis=-1))


def test_sixteen_bit_grey_images_keep_their_high_byte(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(mode="L")
    for path in folder.glob("*/*/*.png"):
        Image.fromarray(np.full((6, 8), 257 * 200, dtype=np.uint16)).save(path)
    assert np.unique(datasets.load(str(folder), cache=tmp_path / "cache").train_images).tolist() == [200]


def test_files_that_are_no_images_are_left_out_and_said(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder()
    (folder / "train/cat/Thumbs.db").write_text("x")
    (folder / "train/cat/labels.txt").write_text("x")
    data = datasets.load(str(folder), cache=tmp_path / "cache")
    assert len(data.train_labels) == 8
    assert data.warnings == ("2 files were left out (1 .db, 1 .txt), train/cat/Thumbs.db the first",)


def test_progress_ends_at_the_number_of_images(make_folder: MakeFolder, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    datasets.load(str(make_folder()), cache=tmp_path / "cache", progress=lambda *call: calls.append(call))
    assert calls[-1] == (16, 16)


class TestRefusals:
    """Data that cannot be used is refused in one line that names it."""

    def refuse(self, source: Path, match: str) -> None:
        """Loading fails with one line that matches."""
        with pytest.raises(UnusableInputError, match=match) as caught:
            datasets.load(str(source), cache=source.parent / "cache")
        assert "\n" not in str(caught.value)

    def test_nothing_there(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "nowhere.tar.xz", r"no such data: .*nowhere\.tar\.xz: give a folder")

    def test_a_name_that_is_nearly_one(self) -> None:
        with pytest.raises(UnusableInputError, match=r"^no such data: cifar: did you mean cifar10\?$"):
            datasets.load("cifar")

    def test_another_kind_of_file(self, tmp_path: Path) -> None:
        (tmp_path / "data.csv").write_text("1,2")
        self.refuse(tmp_path / "data.csv", r"neither a folder nor a \.tar.*: give the folder that holds")

    def test_no_test_part(self, make_folder: MakeFolder) -> None:
        folder = make_folder()
        shutil.rmtree(folder / "test")
        self.refuse(folder, "no test folder in the data")

    def test_one_class(self, make_folder: MakeFolder) -> None:
        self.refuse(make_folder(classes=("cat",)), "only the class 'cat'.*two classes or more")

    def test_classes_that_differ(self, make_folder: MakeFolder) -> None:
        folder = make_folder()
        (folder / "test/dog").rename(folder / "test/wolf")
        self.refuse(folder, "different classes: 'dog' is only in train")

    def test_a_class_only_in_test(self, make_folder: MakeFolder) -> None:
        folder = make_folder()
        (folder / "test/wolf").mkdir()
        self.refuse(folder, "different classes: 'wolf' is only in test")

    def test_an_empty_class(self, make_folder: MakeFolder) -> None:
        folder = make_folder()
        for path in (folder / "train/dog").iterdir():
            path.unlink()
        self.refuse(folder, "a class has no images: train/dog")

    def test_an_image_that_is_none(self, make_folder: MakeFolder) -> None:
        folder = make_folder()
        (folder / "train/dog/001.png").write_bytes(b"no image")
        self.refuse(
            folder,
            r"does not decode: .*train/dog/001\.png \(it holds no image of a known format\): replace or remove it",
        )

    def test_an_image_cut_short(self, make_folder: MakeFolder, tmp_path: Path) -> None:
        folder = make_folder(size=(64, 64))
        whole = (folder / "train/dog/001.png").read_bytes()
        (folder / "train/dog/001.png").write_bytes(whole[: len(whole) // 2])
        self.refuse(folder, r"does not decode: .*train/dog/001\.png \(.*truncated")
        self.refuse(pack(folder, tmp_path / "a.tar", "w"), r"does not decode: train/dog/001\.png")

    def test_sizes_that_differ(self, make_folder: MakeFolder) -> None:
        folder = make_folder(size=(8, 6))
        Image.new("RGB", (9, 6)).save(folder / "train/dog/002.png")
        self.refuse(folder, r"train/cat/000\.png is 8x6, train/dog/002\.png is 9x6.*resize")

    @pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
    def test_an_archive_cut_short(self, make_folder: MakeFolder, tmp_path: Path, mode: str) -> None:
        archive = pack(make_folder(size=(64, 64)), tmp_path / f"a.tar.{mode[2:]}", mode)
        archive.write_bytes(archive.read_bytes()[:20000])
        self.refuse(archive, "the archive cannot be read.*copy or download it again")

    def test_an_archive_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar.xz").write_bytes(b"hello")
        self.refuse(tmp_path / "a.tar.xz", "the archive cannot be read")

    def test_an_archive_without_classes(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            tar.addfile(tarfile.TarInfo("readme"))
        self.refuse(tmp_path / "a.tar", "no train/<class>/ and test/<class>/ folders: .*: name them so, in small")


def test_hostile_members_touch_nothing_on_disk(make_folder: MakeFolder, tmp_path: Path) -> None:
    archive = pack(make_folder(), tmp_path / "a.tar", "w")
    picture = (tmp_path / "pictures/train/cat/000.png").read_bytes()
    with tarfile.open(archive, "a") as tar:
        for name in ("../../train/cat/evil.png", "/train/cat/root.png"):
            member = tarfile.TarInfo(name)
            member.size = len(picture)
            tar.addfile(member, io.BytesIO(picture))
        link = tarfile.TarInfo("train/cat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    before = set(tmp_path.rglob("*.png"))
    data = datasets.load(str(archive), cache=tmp_path / "cache")
    assert len(data.train_labels) == 10  # 8, and the two whose names would have climbed out; no link
    assert set(tmp_path.rglob("*.png")) == before
    assert not Path("/train").exists()


def test_the_table_of_digits_is_scikit_learn_s_wherever_its_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = datasets.digits_table()
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as published
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for kept, loaded in zip((images, labels), datasets.digits_table(), strict=True):
        np.testing.assert_array_equal(kept, loaded)


def test_digits(digits: Dataset) -> None:
    assert (digits.name, digits.image_shape, len(digits.classes)) == ("digits", (3, 32, 32), 10)
    assert len(digits.train_labels) + len(digits.test_labels) == 1797  # the published number of digits
    image = digits.train_images[0]
    np.testing.assert_array_equal(image[::4, ::4].repeat(4, 0).repeat(4, 1), image)
    assert digits.train_images.max() == 255  # the brightest of 16 levels


class TestAuto:
    """Where CIFAR-10 is looked for, and what happens when it is nowhere."""

    def test_the_digits_stand_in_with_a_warning(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable(cache: Path) -> Path:
            raise UnusableInputError("no network")

        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("NAS_DATA", raising=False)
        monkeypatch.setattr(cifar10, "download", unreachable)
        data = datasets.load("auto", cache=tmp_path / "c")
        assert data.name == "digits"
        assert "handwritten digits, resized to 32x32x3, take its place" in data.warnings[0]
        with pytest.raises(UnusableInputError, match="no network"):
            datasets.load("cifar10", cache=tmp_path / "c")

    def test_the_environment_comes_first(
        self, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack(make_folder(), tmp_path / "cifar10-small.tar", "w")
        monkeypatch.setenv("NAS_DATA", str(tmp_path))
        assert datasets.load("auto", cache=tmp_path / "c").name == "cifar10-small.tar"
        monkeypatch.setenv("NAS_DATA", str(tmp_path / "pictures"))
        assert datasets.load("cifar10", cache=tmp_path / "c").name == "pictures"
        monkeypatch.setenv("NAS_DATA", str(tmp_path / "gone"))
        with pytest.raises(UnusableInputError, match=r"NAS_DATA names nothing: .*gone"):
            datasets.load("auto", cache=tmp_path / "c")


def test_the_whole_of_cifar10_decodes(cifar_archive: Path, tmp_path: Path) -> None:
    data = datasets.load(str(cifar_archive), cache=tmp_path)
    assert data.train_images.shape == (50000, 32, 32, 3)
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    mean, _ = splits.channel_statistics(data.train_images, np.arange(50000))
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=1e-3)  # the original's published mean


def test_one_image_a_class_leaves_none_to_select_by(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = datasets.load(str(make_folder(count=1)), cache=tmp_path / "c")
    message = "every class has a single training image: pictures: none is left .*: add images, or a folder val/"
    with pytest.raises(UnusableInputError, match=message):
        data.split()


def test_data_in_a_home_that_there_is_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnusableInputError, match="~nosuchuser/data"):
        datasets.load("~nosuchuser/data", cache=tmp_path)
    monkeypatch.setenv("NAS_DATA", "~nosuchuser/data")
    with pytest.raises(UnusableInputError, match="NAS_DATA names nothing: ~nosuchuser/data"):
        datasets.load("cifar10", cache=tmp_path)
