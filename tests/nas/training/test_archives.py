"""Archives of images: tars and zips, links in them, and what damage of each kind is called."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training import archives, datasets
from nas.training.archives import list_archive
from tests.nas.training.conftest import MakeFolder


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((2, 2), shade, dtype=np.uint8)).save(stream, "png")
    return stream.getvalue()


TREE = {f"top/{part}/{name}/1.png": png(7) for part in ("train", "test") for name in ("a", "b")}
Link = tuple[bytes, str]


def tar(place: Path, members: dict[str, bytes | Link]) -> Path:
    """A tar of files, and of links given as their type and target."""
    with tarfile.open(place, "w") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
                packed.addfile(info)
            else:
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
    return place


def zipped(place: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return place


def test_links_in_a_tar_are_followed_inside_it(tmp_path: Path) -> None:
    picture = png(9)
    members: dict[str, bytes | Link] = {
        "top/train/a/later.png": (tarfile.SYMTYPE, "../../../pool/x.png"),
        **TREE,
        "pool/x.png": picture,
        "top/train/b/hard.png": (tarfile.LNKTYPE, "pool/x.png"),
        "top/train/b/chain.png": (tarfile.SYMTYPE, "hard.png"),
        "top/train/b/out.png": (tarfile.SYMTYPE, "/etc/passwd"),
        "top/train/b/up.png": (tarfile.SYMTYPE, "../../../../../etc/passwd"),
        "top/train/b/self.png": (tarfile.SYMTYPE, "self.png"),
        "top/train/b/pipe.png": (tarfile.FIFOTYPE, ""),
        "top/train/b/tty.png": (tarfile.CHRTYPE, ""),
        "latest": (tarfile.SYMTYPE, "top"),
    }
    listing = list_archive(tar(tmp_path / "x.tar", members))
    assert [file.label for file in listing.train if file.source == picture] == [
        "train/a/later.png", "train/b/chain.png", "train/b/hard.png",
    ]  # fmt: skip
    assert listing.notes == ("5 files were left out (5 dangling link or device), train/b/out.png the first",)


def test_a_link_to_a_folder_of_a_tar_is_refused_by_name(tmp_path: Path) -> None:
    members: dict[str, bytes | Link] = {**TREE, "pool/x.png": png(9), "top/train/c": (tarfile.SYMTYPE, "../../pool")}
    with pytest.raises(UnusableInputError, match="top/train/c is a link to a folder: pack what it points to"):
        list_archive(tar(tmp_path / "x.tar", members))


def test_a_tar_cut_between_members_is_refused(tmp_path: Path) -> None:
    place = tar(tmp_path / "x.tar", {**TREE})
    with tarfile.open(place) as whole:
        second = whole.getmembers()[2].offset
    place.write_bytes(place.read_bytes()[:second])
    with pytest.raises(UnusableInputError, match=r"cannot be read \(it ends too early\): .*x\.tar: copy or download"):
        list_archive(place)


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    place = tar(tmp_path / "x.tar", {**TREE})
    with tarfile.open(place) as whole:
        second = whole.getmembers()[2].offset
    content = bytearray(place.read_bytes())
    content[second + 3] ^= 1
    place.write_bytes(content)
    with pytest.raises(UnusableInputError, match=r"cannot be read \(a damaged header: bad checksum\)"):
        list_archive(place)


def test_a_compressed_tar_with_another_check_sum_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(tar(tmp_path / "x.tar", {**TREE}).read_bytes()))
    content[-5] ^= 1
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(UnusableInputError, match=r"cannot be read \(CRC check failed"):
        list_archive(tmp_path / "x.tar.gz")


def test_a_tar_of_the_working_folder(make_folder: MakeFolder, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        packed.add(make_folder(count=1), arcname=".")
    assert len(list_archive(tmp_path / "x.tar").train) == 2


def test_two_data_sets_in_one_archive_are_not_mixed(tmp_path: Path) -> None:
    both = {**TREE, **{name.replace("top", "other"): content for name, content in TREE.items()}}
    with pytest.raises(UnusableInputError, match=r"more than one data set in the data: other and top: .*give one"):
        list_archive(tar(tmp_path / "x.tar", {**both}))


def test_a_zip_holds_the_same_as_its_folder(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(count=2)
    files = {f"in/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.png")}
    packed = zipped(tmp_path / "x.zip", {**files, "__MACOSX/in/train/cat/._000.png": b"x"})
    data = datasets.load(str(packed), cache=tmp_path / "c")
    assert data.content_hash == datasets.load(str(folder), cache=tmp_path / "c").content_hash
    assert data.warnings == ("1 file was left out (1 of macOS), train/cat/._000.png the first",)


def test_names_and_links_of_a_zip(tmp_path: Path) -> None:
    place = tmp_path / "x.zip"
    with zipfile.ZipFile(place, "w") as packed:
        for name, content in TREE.items():
            packed.writestr(name.replace("/", "\\"), content)
        link = zipfile.ZipInfo("top/train/a/link.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "1.png")
        link = zipfile.ZipInfo("top/train/a/out.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    listing = list_archive(place)
    assert [file.label for file in listing.train] == ["train/a/1.png", "train/a/link.png", "train/b/1.png"]
    assert listing.left_out == (("train/a/out.png", "dangling link or device"),)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    place = zipped(tmp_path / "x.zip", TREE)
    whole = place.read_bytes()
    place.write_bytes(whole[:-30])
    with pytest.raises(UnusableInputError, match=r"the archive cannot be read \(.*\): .*x\.zip: copy or download"):
        list_archive(place)
    damaged = bytearray(whole)
    damaged[whole.index(b"PK\x03\x04", 4) - 3] ^= 255
    place.write_bytes(damaged)
    with pytest.raises(UnusableInputError, match=r"the archive cannot be read \(.*\): .*x\.zip: copy or download"):
        list_archive(place)


def test_a_member_of_a_zip_beyond_the_largest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_MEMBER", len(png(7)) - 1)
    with pytest.raises(UnusableInputError, match=r"top/train/a/1\.png holds \d+ bytes, more than any image here may"):
        list_archive(zipped(tmp_path / "x.zip", TREE))


def test_an_encrypted_zip_says_to_unpack_it(tmp_path: Path) -> None:
    place = zipped(tmp_path / "x.zip", TREE)
    content = bytearray(place.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of the first member in the directory
    place.write_bytes(content)
    with pytest.raises(
        UnusableInputError, match=r"not read \(top/train/a/1\.png is encrypted\): .*x\.zip: unpack it yourself"
    ):
        list_archive(place)


@pytest.mark.parametrize("pack", [tar, zipped])
def test_more_images_than_the_memory_holds_are_refused(
    pack: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(png(7)) * len(TREE)
    monkeypatch.setattr(archives, "_most_bytes", lambda: size)
    place = pack(tmp_path / "x", TREE)
    assert len(list_archive(place).train) == 2
    monkeypatch.setattr(archives, "_most_bytes", lambda: size - 1)
    with pytest.raises(UnusableInputError, match=rf"memory: {2 * size - 2} bytes\): .*: unpack it yourself"):
        list_archive(place)


@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_name_with_two_dots_is_the_place_that_it_leads_to(pack: Callable[..., Path], tmp_path: Path) -> None:
    names = ("top/train/a/../b/2.png", "top/train/a/../../../../3.png", "top/train/a/4..png")
    listing = list_archive(pack(tmp_path / "x", TREE | {name: png(8) for name in names}))
    assert [file.label for file in listing.train] == [
        "train/a/1.png", "train/a/4..png", "train/b/1.png", "train/b/2.png"
    ]  # fmt: skip
