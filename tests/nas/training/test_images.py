"""Listing and decoding images: what counts, in which order, and what happens at each limit."""

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training import archives, images
from nas.training.archives import list_archive
from nas.training.image_files import ImageFile, Listing, list_folder
from nas.training.image_tree import folder_key
from nas.training.images import decode
from tests.nas.training.conftest import MakeFolder


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


GREY = png(Image.new("L", (2, 1), 7))


def archive(place: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    with tarfile.open(place, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return place


TREE = [(f"top/{part}/{name}/{name}.png", GREY) for part in ("train", "test") for name in ("b", "a")]


def test_images_are_in_the_order_of_class_and_name(make_folder: MakeFolder) -> None:
    listing = list_folder(make_folder(classes=("dog", "cat", "ant"), count=2))
    assert listing.classes == ("ant", "cat", "dog")
    names = [(f.class_name, f.name) for f in listing.train]
    assert names == [(c, n) for c in ("ant", "cat", "dog") for n in ("000.png", "001.png")]
    assert listing.labels("train").tolist() == [0, 0, 1, 1, 2, 2]
    assert listing.labels("test").dtype == np.int64
    assert listing.train[3].label == "train/cat/001.png"


def test_hidden_folders_are_no_classes(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    (folder / "train" / ".thumbnails").mkdir()
    (folder / "train" / ".thumbnails" / "x.png").write_bytes(GREY)
    listing = list_folder(folder)
    assert (listing.classes, len(listing.train)) == (("cat", "dog"), 2)


def test_the_key_of_a_folder_follows_its_files(make_folder: MakeFolder) -> None:
    folder = make_folder(count=1)
    file, keys = folder / "train" / "cat" / "000.png", [folder_key(folder)]
    assert folder_key(folder) == keys[0]
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # rewritten
    keys.append(folder_key(folder))
    (folder / "test" / "cat" / "new.png").write_bytes(GREY)  # added
    keys.append(folder_key(folder))
    file.unlink()  # removed
    keys.append(folder_key(folder))
    assert len(set(keys)) == 4


def test_a_later_member_replaces_an_earlier_one(tmp_path: Path) -> None:
    later = png(Image.new("L", (2, 1), 9))
    listing = list_archive(archive(tmp_path / "x.tar", [*TREE, ("other/train/a/a.png", later)]))
    assert [(f.label, f.source == later) for f in listing.train] == [("train/a/a.png", True), ("train/b/b.png", False)]


@pytest.mark.parametrize(("room", "fits"), [(1, True), (0, True), (-1, False)])
def test_a_member_just_within_and_just_past_the_largest(
    room: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_MEMBER", len(GREY) + room)
    packed = archive(tmp_path / "x.tar", TREE)
    if fits:
        assert len(list_archive(packed).train) == 2
        return
    message = rf"not read \(top/train/b/b.png holds {len(GREY)} bytes, more than any image here may\): .*x\.tar: unpack"
    with pytest.raises(UnusableInputError, match=message):
        list_archive(packed)


def test_files_too_high_in_an_archive_belong_to_no_class(tmp_path: Path) -> None:
    listing = list_archive(archive(tmp_path / "x.tar", [*TREE, ("top/train/loose.png", GREY), ("readme.txt", b"x")]))
    assert (len(listing.train), listing.left_out) == (2, (("train/loose.png", "in no class folder"),))


def listing(*pictures: Image.Image) -> Listing:
    files = tuple(
        ImageFile(part="train", class_name="a", name=f"{i}.png", source=png(one)) for i, one in enumerate(pictures)
    )
    return Listing(origin="here", classes=("a", "b"), train=files, test=files[:1], left_out=())


def decoded(tmp_path: Path, *pictures: Image.Image) -> np.ndarray:
    decode(listing(*pictures), tmp_path)
    assert len(np.load(tmp_path / "test_images.npy")) == 1
    found: np.ndarray = np.load(tmp_path / "train_images.npy")
    return found


def test_kinds_of_images_become_one(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    opaque = Image.new("RGBA", (2, 1), (1, 2, 3, 255))
    found = decoded(tmp_path, Image.new("RGB", (2, 1), (4, 5, 6)), opaque, palette, Image.new("L", (2, 1), 7))
    assert (found.dtype.name, found.shape) == ("uint8", (4, 1, 2, 3))
    assert found[:, 0, 0].tolist() == [[4, 5, 6], [1, 2, 3], [10, 20, 30], [7, 7, 7]]


@pytest.mark.parametrize("order", [1, -1])
def test_where_one_image_is_transparent_all_have_an_alpha(tmp_path: Path, order: int) -> None:
    colour, clear, grey = (1, 2, 3), Image.new("RGBA", (2, 1), (4, 5, 6, 7)), Image.new("LA", (2, 1), (8, 9))
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.info["transparency"] = 1
    kinds = [Image.new("RGB", (2, 1), colour), clear, grey, palette, Image.new("L", (2, 1), 7)]
    expected = [[1, 2, 3, 255], [4, 5, 6, 7], [8, 8, 8, 9], [10, 20, 30, 0], [7, 7, 7, 255]]
    assert decoded(tmp_path, *kinds[::order])[:, 0, 0].tolist() == expected[::order]


@pytest.mark.parametrize(("clear", "count"), [((), 0), ((1,), 1), ((2, 1, 3), 3), ((0, 1), 3), ((0, 1, 2, 3, 4), 6)])
def test_images_with_transparent_pixels_are_counted(tmp_path: Path, clear: Sequence[int], count: int) -> None:
    """Of five training images and one test image, which is the first of them again."""
    alphas = [254 if index in clear else 255 for index in range(5)]
    lines = decode(listing(*(Image.new("RGBA", (2, 1), (4, 5, 6, alpha)) for alpha in alphas)), tmp_path)
    shown = [line.partition(", ")[0] for line in lines if "the first: all images get an alpha channel" in line]
    assert shown == ([f"images with transparent pixels: {count} of 6"] if count else [])
    assert np.load(tmp_path / "train_images.npy").shape == (5, 1, 2, 3 + (count > 0))


def test_grey_images_with_alpha_have_two_channels(tmp_path: Path) -> None:
    found = decoded(tmp_path, Image.new("L", (2, 1), 7), Image.new("LA", (2, 1), (8, 9)))
    assert found[:, 0, 0].tolist() == [[7, 255], [8, 9]]


def test_grey_images_of_16_bits(tmp_path: Path) -> None:
    deep = Image.fromarray(np.array([[0, 256, 65_535, 257 * 100 + 128]], dtype=np.uint16))
    assert decoded(tmp_path, deep)[0, 0, :, 0].tolist() == [0, 1, 255, 100]  # 257 steps of 16 bits are one of 8


def test_blocks_are_put_together_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "BLOCK", 2)
    seen: list[tuple[int, int]] = []
    shades = listing(*(Image.new("L", (1, 1), i) for i in range(5)))
    decode(shades, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert np.load(tmp_path / "train_images.npy").ravel().tolist() == [0, 1, 2, 3, 4]
    assert seen == [(2, 6), (4, 6), (5, 6), (6, 6)]


def test_the_first_image_of_another_size_is_named(tmp_path: Path) -> None:
    message = r"images differ in size: train/a/0.png is 2x1, train/a/1.png is 1x2: here: resize them all"
    with pytest.raises(UnusableInputError, match=message):
        decode(listing(Image.new("L", (2, 1)), Image.new("L", (1, 2)), Image.new("L", (3, 3))), tmp_path)
