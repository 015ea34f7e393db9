"""Labelled images in class folders, or in a tar of them, decoded into arrays on disk."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image

from constraints.errors import UnusableInputError

Progress = Callable[[int, int], None]

PARTS = ("train", "test")
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz")
LARGEST_MEMBER = 64 * 2**20
"""Bytes; an archive's member beyond this is refused before it is read."""
BLOCK = 500
"""Images that one thread decodes at a time."""
_ONE_CHANNEL = frozenset({"1", "L", "I", "I;16", "F"})
_UNREADABLE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """One image not yet decoded; ``source`` is a file or the bytes of an archive's member."""

    part: str
    class_name: str
    name: str
    source: Path | bytes

    @property
    def label(self) -> str:
        """Where the image is, for messages."""
        return f"{self.part}/{self.class_name}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images of a folder or archive in the order in which they are stored, and its classes."""

    origin: str
    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...]
    left_out: tuple[str, ...]

    def labels(self, part: str) -> np.ndarray:
        """Class numbers (int64) of one part's images."""
        number = {name: index for index, name in enumerate(self.classes)}
        files = self.train if part == "train" else self.test
        return np.array([number[file.class_name] for file in files], dtype=np.int64)


def folder_key(folder: Path) -> str:
    """A key that changes when a file of the folder is added, removed, resized or rewritten."""
    digest = hashlib.sha256(f"{folder.resolve()}\n".encode())
    for path in sorted(path for part in PARTS for path in (folder / part).glob("*/*")):
        status = path.stat()
        digest.update(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def list_folder(folder: Path) -> Listing:
    """List ``folder/train/<class>/*`` and ``folder/test/<class>/*``.

    Raises UnusableInputError when a part is missing or the classes do not fit (see ``_listing``).
    """
    classes: list[tuple[str, str]] = []
    files: list[ImageFile] = []
    for part in PARTS:
        if not (folder / part).is_dir():
            raise UnusableInputError(f"no {part} folder in the data: {folder}: put the images in {part}/<class>/")
        for child in sorted(path for path in (folder / part).iterdir() if path.is_dir()):
            classes.append((part, child.name))
            files += [
                ImageFile(part=part, class_name=child.name, name=path.name, source=path)
                for path in child.iterdir()
                if path.is_file()
            ]
    return _listing(str(folder), classes, files)


def list_archive(archive: Path) -> Listing:
    """List the same tree packed as a tar, compressed or not, at any depth inside it.

    Members are read from the stream into memory and never written to disk, so that neither their paths nor
    their links can do harm. Raises UnusableInputError when the archive is damaged.
    """
    classes: list[tuple[str, str]] = []
    files: dict[str, ImageFile] = {}  # a later member of the same name replaces the earlier one, as tar does
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member, data in _members(tar):
                place = PurePosixPath(member.name).parts
                if member.isdir() and len(place) >= 2 and place[-2] in PARTS:
                    classes.append((place[-2], place[-1]))
                elif data is not None and len(place) >= 3 and place[-3] in PARTS:
                    file = ImageFile(part=place[-3], class_name=place[-2], name=place[-1], source=data)
                    classes.append((file.part, file.class_name))
                    files[file.label] = file
    except _UNREADABLE as error:
        raise UnusableInputError(
            f"the archive cannot be read ({error or type(error).__name__}): {archive}: copy or download it again"
        ) from error
    return _listing(str(archive), classes, list(files.values()))


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    """Every member in order, with its content if it is a plain file of a sane size."""
    for member in tar:
        stream = tar.extractfile(member) if member.isreg() else None
        if member.size > LARGEST_MEMBER:
            raise tarfile.TarError(f"{member.name} holds {member.size} bytes, more than any image here may")
        yield member, stream.read() if stream else None


def _listing(origin: str, classes: Iterable[tuple[str, str]], files: Sequence[ImageFile]) -> Listing:
    """Sort, check that both parts hold the same two or more classes and that none is empty."""
    images = [file for file in files if PurePosixPath(file.name).suffix.lower() in SUFFIXES]
    left_out = sorted(file.label for file in files if PurePosixPath(file.name).suffix.lower() not in SUFFIXES)
    train, test = ({name for part, name in classes if part == wanted and not name.startswith(".")} for wanted in PARTS)
    if train != test:
        where = "train" if train - test else "test"
        lone = sorted(train ^ test)[0] if not (train - test) else sorted(train - test)[0]
        raise UnusableInputError(
            f"train and test hold different classes: {lone!r} is only in {where}: {origin}: "
            "give both parts the same class folders"
        )
    if len(train) < 2:
        found = f"only the class {min(train)!r}" if train else "no train/<class>/ and test/<class>/ folders"
        raise UnusableInputError(f"the data holds {found}: {origin}: give it two classes or more")
    filled = {(file.part, file.class_name) for file in images}
    for part in PARTS:
        for name in sorted(train):
            if (part, name) not in filled:
                raise UnusableInputError(
                    f"a class has no images: {part}/{name}: {origin}: add images or remove the class"
                )
    images.sort(key=lambda file: (file.class_name, file.name))
    parts = {part: tuple(f for f in images if f.part == part and f.class_name in train) for part in PARTS}
    return Listing(
        origin=origin,
        classes=tuple(sorted(train)),
        train=parts["train"],
        test=parts["test"],
        left_out=tuple(left_out),
    )


def decode(listing: Listing, folder: Path, *, progress: Progress | None = None) -> None:
    """Write ``train_images.npy`` and ``test_images.npy`` (uint8, N x H x W x C) into ``folder``, on all cores.

    Grey images keep one channel; where grey and coloured ones are mixed, the grey ones are spread over three.
    Raises UnusableInputError naming the first image that does not decode or differs in size.
    """
    try:
        _decode_as(_shape(listing.train[0]), listing, folder, progress)
    except _DifferentShapeError:  # rare, and worth a look at all headers first
        _decode_as(_common_shape(listing), listing, folder, progress)


class _DifferentShapeError(Exception):
    """An image has another size, or more channels, than it was taken to have."""


def _decode_as(shape: tuple[int, int, int], listing: Listing, folder: Path, progress: Progress | None) -> None:
    done, total = 0, len(listing.train) + len(listing.test)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part, group in (("train", listing.train), ("test", listing.test)):
            path = folder / f"{part}_images.npy"
            out = open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(group), *shape))

            def fill(start: int, group: Sequence[ImageFile] = group, out: np.ndarray = out) -> int:
                block = group[start : start + BLOCK]
                for offset, file in enumerate(block):
                    out[start + offset] = _pixels(file, shape)
                return len(block)

            for count in pool.map(fill, range(0, len(group), BLOCK)):
                done += count
                if progress:
                    progress(done, total)
            out.flush()


def _common_shape(listing: Listing) -> tuple[int, int, int]:
    """Height, width and channels of all images; only the headers are read."""
    first, *others = listing.train + listing.test
    height, width, channels = _shape(first)
    for file in others:
        high, wide, depth = _shape(file)
        if (high, wide) != (height, width):
            raise UnusableInputError(
                f"images differ in size: {first.label} is {width}x{height}, {file.label} is "
                f"{wide}x{high}: {listing.origin}: resize them all to one size first"
            )
        channels = max(channels, depth)
    return height, width, channels


def _open(file: ImageFile) -> Image.Image:
    return Image.open(io.BytesIO(file.source) if isinstance(file.source, bytes) else file.source)


def _shape(file: ImageFile) -> tuple[int, int, int]:
    """Height, width and channels by the header."""
    try:
        with _open(file) as image:
            return image.height, image.width, _channels(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _undecodable(file) from error


def _channels(image: Image.Image) -> int:
    return 1 if image.mode in _ONE_CHANNEL else 3


def _pixels(file: ImageFile, shape: tuple[int, int, int]) -> np.ndarray:
    """The image as H x W x channels; alpha is dropped, palettes and CMYK become RGB, grey is spread over three."""
    height, width, channels = shape
    try:
        with _open(file) as image:
            if (image.height, image.width) != (height, width) or _channels(image) > channels:
                raise _DifferentShapeError
            deep = image.mode in {"I", "I;16", "F"}
            flat = _eight_bits(image) if deep else image
            return np.asarray(flat.convert("L" if channels == 1 else "RGB")).reshape(shape)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _undecodable(file) from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """A 16-bit grey image with its high byte kept; Pillow's own conversion would clip it at 255."""
    return Image.fromarray(np.clip(np.asarray(image) / 257.0, 0, 255).round().astype(np.uint8))


def _undecodable(file: ImageFile) -> UnusableInputError:
    where = file.source if isinstance(file.source, Path) else file.label
    return UnusableInputError(f"an image does not decode: {where}: replace or remove it")
