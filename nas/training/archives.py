"""Archives of labelled images, read into memory: no member is written to disk, whatever its name or kind."""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

from constraints.errors import UnusableInputError
from nas.training.image_files import Listing, has_suffix_of_image, list_tree
from nas.training.image_tree import PART_OF, Place, Tree, is_table
from nas.training.memory import usable_bytes

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz", ".zip")
LARGEST_MEMBER = 64 * 2**20
"""Bytes; a larger member of an archive is refused before it is read."""
LONGEST_CHAIN = 40
"""Longest chain of links that is followed, as in the operating system."""
_BLOCK = 2**20
_UTF8_NAME, _ENCRYPTED = 0x800, 0x1
_MAGIC: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_UNREADABLE = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip


class _RefusedError(Exception):
    """A member of an undamaged archive is not read; the message says why."""


def list_archive(archive: Path) -> Listing:
    """List the tree of class folders packed as a tar, compressed or not, or as a zip, at any depth inside it.

    Links are followed inside the archive only. Raises UnusableInputError when the archive is damaged or cut.
    """
    try:
        with archive.open("rb") as file:
            is_zip = file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}
        tree = _Packed(_members_of_zip(archive) if is_zip else _members_of_tar(archive)).tree
    except _RefusedError as error:
        raise UnusableInputError(
            f"the archive is not read ({error}): {archive}: unpack it yourself, and give the folder"
        ) from error
    except _UNREADABLE as error:
        raise UnusableInputError(
            f"the archive cannot be read ({error or type(error).__name__}): {archive}: copy or download it again"
        ) from error
    return list_tree(str(archive), tree)


_NOWHERE = "/"
"""Target of a link out of the archive, as which devices and named pipes count."""
_Member = tuple[str, bytes | str | None]
"""A member's name, and the bytes of a file, the target of a link, or None for a folder."""


class _Packed:
    """The members of an archive as a tree, with every link resolved."""

    def __init__(self, members: Iterator[_Member]) -> None:
        self.tree = Tree()
        self._links: dict[Place, Place | None] = {}
        kept, most = 0, _most_bytes()
        for name, content in members:
            kept += len(content) if isinstance(content, bytes) else 0
            if kept > most:
                raise _RefusedError(f"its images take more than half of the usable memory: {2 * most} bytes")
            place = _place(name)
            self._links.pop(place, None)
            self.tree.files.pop(place, None)
            if content is None:
                self.tree.folders.add(place)
            elif isinstance(content, bytes):
                self.tree.files[place] = content
            else:
                self._links[place] = _normal(content)
        self._folders = {place[:end] for place in self.tree.files for end in range(1, len(place))}
        for place in self._links:
            self._resolve(place)

    def _resolve(self, place: Place) -> None:
        target: Place | None = self._links[place]
        for _ in range(LONGEST_CHAIN):
            if target is None or target not in self._links:
                break
            target = self._links[target]
        content = self.tree.files.get(target) if target is not None else None
        if content is not None:
            self.tree.files[place] = content
        elif target in self._folders and any(name in PART_OF for name in place):
            raise tarfile.TarError(f"{'/'.join(place)} is a link to a folder: pack what it points to, as tar -h does")
        else:
            self.tree.dangling.add(place)


def _most_bytes() -> int:
    """Bytes of images that are read from an archive: half of the memory that this process may use."""
    return usable_bytes() // 2


def _place(name: str) -> Place:
    """As ``PurePosixPath(name).parts``, in a tenth of the time, since an archive may hold a million names.

    A name with ``..`` is the place that it leads to, which may be outside the folders of the data.
    """
    name = posixpath.normpath(name) if ".." in name else name
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    return ("/", *parts) if name.startswith("/") else parts


def _normal(path: str) -> Place | None:
    """A link's target as a place inside the archive; None where it points outside."""
    place = _place(posixpath.normpath(path))
    return None if place[:1] in {("/",), ("..",)} else place


def _check_size(name: str, size: int) -> None:
    if size > LARGEST_MEMBER:
        raise _RefusedError(f"{name} holds {size} bytes, more than any image here may")


class _Header(tarfile.TarInfo):
    """A header whose damage is an error; tarfile itself takes a damaged or missing one as the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header; ReadError where it is damaged or the file ends without an end-of-archive block."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            reason = "it ends too early" if len(buf) < tarfile.BLOCKSIZE else f"a damaged header: {error}"
            raise tarfile.ReadError(reason) from error


@contextmanager
def _decompressed(archive: Path) -> Iterator[IO[bytes]]:
    """The bytes of a tar; reads to the end of the file on exit, which verifies the compression's checksum."""
    with archive.open("rb") as file:
        start = file.read(6)
    reader = next((reader for magic, reader in _MAGIC.items() if start.startswith(magic)), open)
    with reader(archive, "rb") as stream:
        yield stream
        while stream.read(_BLOCK):
            pass


def _is_read(name: str) -> bool:
    return has_suffix_of_image(name) or is_table(name)


def _members_of_tar(archive: Path) -> Iterator[_Member]:
    with (
        _decompressed(archive) as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header, encoding="utf-8", errors="surrogateescape") as tar,
    ):
        for member in tar:
            name = member.name
            _check_size(name, member.size)
            if member.isdir():
                yield name, None
            elif member.issym():
                yield name, posixpath.join(posixpath.dirname(name), member.linkname)
            elif member.islnk():
                yield name, member.linkname
            elif member.isreg():
                stream_of_member = tar.extractfile(member) if _is_read(name) else None
                yield name, stream_of_member.read() if stream_of_member else b""
            else:
                yield name, _NOWHERE


def _members_of_zip(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            name = _zip_name(member)
            _check_size(name, member.file_size)
            if member.flag_bits & _ENCRYPTED:
                raise _RefusedError(f"{name} is encrypted")
            if name.endswith("/"):
                yield name, None
            elif stat.S_ISLNK(member.external_attr >> 16):
                target = packed.read(member).decode("utf-8", "surrogateescape")
                yield name, posixpath.join(posixpath.dirname(name), target)
            else:
                yield name, packed.read(member) if _is_read(name) else b""


def _zip_name(member: zipfile.ZipInfo) -> str:
    """A member's name; without the UTF-8 flag it is UTF-8 if valid as such, otherwise code page 437."""
    name = member.filename.replace("\\", "/")
    if member.flag_bits & _UTF8_NAME:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name
