"""The decoded copy: made once, shared, made anew where it is damaged, and temporary where no cache can be written."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.search.worker_processes import WorkerContext
from nas.training import datasets, decoded, images
from nas.training.decoded import Dataset

MakeFolder = Callable[..., Path]


def load_in(source: str, cache: str) -> str:
    """Load in another process."""
    return datasets.load(source, cache=Path(cache)).content_hash


class TestCache:
    """The decoded copy is made once and made again when it is damaged."""

    def test_it_is_read_the_second_time(self, make_folder: MakeFolder, tmp_path: Path) -> None:
        folder, calls = make_folder(), []
        for _ in range(2):
            datasets.load(str(folder), cache=tmp_path / "c", progress=lambda *call: calls.append(call))
        assert len([done for done, total in calls if done == total]) == 1

    @pytest.mark.parametrize("damage", ["vanished", "truncated", "one file gone", "not described"])
    def test_it_is_rebuilt(self, make_folder: MakeFolder, tmp_path: Path, damage: str) -> None:
        folder = make_folder()
        first = datasets.load(str(folder), cache=tmp_path / "c")
        content, place = np.array(first.train_images), first.folder
        del first
        if damage == "vanished":
            shutil.rmtree(place)
        elif damage == "truncated":
            (place / "train_images.npy").write_bytes((place / "train_images.npy").read_bytes()[:200])
        elif damage == "one file gone":
            (place / "test_labels.npy").unlink()
        else:
            (place / "about.json").write_text("{}")
        again = datasets.load(str(folder), cache=tmp_path / "c")
        np.testing.assert_array_equal(again.train_images, content)

    def test_two_files_of_equal_size_and_time_that_change_places_are_noticed(
        self, make_folder: MakeFolder, tmp_path: Path
    ) -> None:
        folder = make_folder()
        one, other = (folder / "train" / name / "001.bmp" for name in ("cat", "dog"))
        for path, shade in ((one, 10), (other, 200)):
            path.with_suffix(".png").unlink()
            Image.new("RGB", (8, 6), (shade, shade, shade)).save(path)
            os.utime(path, ns=(10**18, 10**18))

        def mended() -> list[int]:
            """The class of the dark image, by its label."""
            data = datasets.load(str(folder), cache=tmp_path / "c")
            is_dark = (np.asarray(data.train_images) == 10).all(axis=(1, 2, 3))
            return [int(label) for label in np.asarray(data.train_labels)[is_dark]]

        assert mended() == [0]
        one.rename(tmp_path / "aside")
        other.rename(one)
        (tmp_path / "aside").rename(other)
        assert mended() == [1]

    def test_a_failed_decoding_leaves_nothing(self, make_folder: MakeFolder, tmp_path: Path) -> None:
        folder = make_folder()
        (folder / "train/dog/001.png").write_bytes(b"no image")
        with pytest.raises(UnusableInputError):
            datasets.load(str(folder), cache=tmp_path / "c")
        assert [path.suffix for path in (tmp_path / "c/datasets").iterdir()] == [".lock"]

    def test_processes_may_make_it_at_once(self, make_folder: MakeFolder, tmp_path: Path) -> None:
        folder = str(make_folder(count=20))
        with ProcessPoolExecutor(2, mp_context=WorkerContext()) as pool:
            hashes = {f.result() for f in [pool.submit(load_in, folder, str(tmp_path / "c")) for _ in range(4)]}
        assert hashes == {datasets.load(folder, cache=tmp_path / "c").content_hash}

    def test_pickling_sends_a_path(self, digits: Dataset) -> None:
        sent = pickle.dumps(digits)
        assert len(sent) < 1000
        back = pickle.loads(sent)
        assert back.content_hash == digits.content_hash
        np.testing.assert_array_equal(back.test_images, digits.test_images)


class TestWithoutACache:
    """Where the cache cannot be written, data is still opened, with a warning."""

    def check(self, folder: Path, cache: Path, reason: str) -> None:
        """Loading works, in a folder elsewhere, with a warning of one line."""
        data = datasets.load(str(folder), cache=cache)
        assert len(data.train_labels) == 8
        assert data.warnings == (
            f"the cache cannot be written ({reason}): {cache}: the images are decoded for this run alone",
        )
        assert pickle.loads(pickle.dumps(data)).content_hash == data.content_hash
        shutil.rmtree(data.folder.parent)

    def test_under_a_device(self, make_folder: MakeFolder) -> None:
        self.check(make_folder(), Path("/dev/null/.cache"), "Not a directory")

    def test_a_file_in_its_place(self, make_folder: MakeFolder, tmp_path: Path) -> None:
        (tmp_path / "c").write_text("x")
        self.check(make_folder(), tmp_path / "c", "Not a directory")

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
    def test_a_disk_that_refuses(
        self, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        usual = decoded._make

        def refuse(place: Path, write: Callable[[Path], dict[str, object]]) -> None:
            if place.is_relative_to(tmp_path / "c"):
                raise OSError(number, os.strerror(number))
            usual(place, write)

        monkeypatch.setattr(decoded, "_make", refuse)
        self.check(make_folder(), tmp_path / "c", os.strerror(number))

    def test_no_room_anywhere(self, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(path: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(images, "reserve", full)
        message = r"neither the cache \(No space left on device\) nor a temporary folder \(No space.*: make room"
        with pytest.raises(UnusableInputError, match=message):
            datasets.load(str(make_folder()), cache=tmp_path / "c")

    def test_a_copy_is_read_where_nothing_can_be_locked(
        self, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = make_folder()
        datasets.load(str(folder), cache=tmp_path / "c")

        def refuse(path: str) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(decoded, "FileLock", refuse)
        assert datasets.load(str(folder), cache=tmp_path / "c").warnings == ()
