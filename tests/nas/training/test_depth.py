"""Images of more than 8 bits: the range of a data set by arithmetic, and TIFFs as cameras write them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training.depth import ValueRange, common_range
from nas.training.image_files import ImageFile, Listing
from nas.training.images import decode

UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def tiff(data: bytes, *, width: int, bits: int, order: str = "<", sample: int = UNSIGNED, samples: int = 1) -> bytes:
    """A grey or RGB TIFF of one row, by the specification of TIFF 6.0."""
    after = 8 + 2 + 10 * 12 + 4
    extra = struct.pack(f"{order}3H", bits, bits, bits) if samples == 3 else b""
    entries = [
        (256, width), (257, 1), (258, bits), (259, 1), (262, 2 if samples == 3 else 1), (273, after + len(extra)),
        (277, samples), (278, 1), (279, len(data)), (339, sample),
    ]  # fmt: skip
    found = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(entries))
    for tag, value in entries:
        if tag == 258 and samples == 3:
            found += struct.pack(f"{order}HHII", tag, 3, 3, after)
        else:
            found += struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
    return found + bytes(4) + extra + data


def decoded(tmp_path: Path, *pictures: bytes) -> tuple[list[int], tuple[str, ...]]:
    """The values of all training images in a row, and the messages about them."""
    files = tuple(
        ImageFile(part="train", class_name="a", name=f"{i}.tif", source=one) for i, one in enumerate(pictures)
    )
    notes = decode(Listing(origin="here", classes=("a", "b"), train=files, test=files[:1]), tmp_path)
    return np.load(tmp_path / "train_images.npy").ravel().tolist(), notes


@pytest.mark.parametrize(
    ("name", "extents", "low", "high"),
    [
        ("12-bit", [(0, 7)], 0, 4095),
        ("16-bit", [(0, 255)], 0, 255),
        ("16-bit", [(0, 256)], 0, 1023),
        ("16-bit", [(3, 100), (0, 4095)], 0, 4095),
        ("16-bit", [(0, 4096)], 0, 16383),
        ("16-bit", [(0, 65535)], 0, 65535),
        ("16-bit", [(-1, 4095)], -1, 4095),
        ("32-bit", [(0, 65535)], 0, 65535),
        ("32-bit", [(5, 65536)], 5, 65536),
        ("floating-point", [(0.25, 0.5), (0.0, 0.25)], 0, 0.5),
    ],
)
def test_one_range_holds_all_images(name: str, extents: Sequence[tuple[float, float]], low: float, high: float) -> None:
    assert common_range(name, extents) == ValueRange(low=low, high=high)


def test_a_single_value_becomes_black_without_a_division_by_zero() -> None:
    assert ValueRange(low=3, high=3).as_bytes(np.array([3.0, 3.0])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (tiff(bytes([0x00, 0x0F, 0xFF]), width=2, bits=12), [0, 255]),  # 0 and 4095
        (tiff(struct.pack(">3H", 0, 257 * 100, 65535), width=3, bits=16, order=">"), [0, 100, 255]),
        (
            tiff(struct.pack("<3H", 0, 2048, 4095), width=3, bits=16),
            [0, 128, 255],
        ),  # 12 bits in 16: 2048/4095*255=127.5
        (tiff(struct.pack("<3h", -100, 0, 100), width=3, bits=16, sample=SIGNED), [0, 128, 255]),
        (tiff(struct.pack("<3i", -(10**9), 0, 10**9), width=3, bits=32, sample=SIGNED), [0, 128, 255]),
        (tiff(struct.pack("<2I", 0, 4 * 10**9), width=2, bits=32), [0, 255]),
        (tiff(struct.pack(">3f", 0, 0.25, 1), width=3, bits=32, order=">", sample=FLOAT), [0, 64, 255]),
        (tiff(struct.pack("<3f", -7, 13, 93), width=3, bits=32, sample=FLOAT), [0, 51, 255]),
        (tiff(struct.pack("<3b", -128, 0, 127), width=3, bits=8, sample=SIGNED), [0, 128, 255]),
    ],
)
def test_deep_tiffs_fill_the_eight_bits(tmp_path: Path, picture: bytes, expected: list[int]) -> None:
    values, notes = decoded(tmp_path, picture)
    assert values == expected
    assert "images become 8-bit ones: values from" in notes[0]


def test_brightness_between_images_is_kept(tmp_path: Path) -> None:
    dark, bright = (tiff(struct.pack("<f", value), width=1, bits=32, sample=FLOAT) for value in (0.0, 10.0))
    middle = tiff(struct.pack("<f", 2.0), width=1, bits=32, sample=FLOAT)
    assert decoded(tmp_path, dark, bright, middle)[0] == [0, 255, 51]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused_by_name(tmp_path: Path, value: float) -> None:
    good = tiff(struct.pack("<f", 1), width=1, bits=32, sample=FLOAT)
    bad = tiff(struct.pack("<f", value), width=1, bits=32, sample=FLOAT)
    with pytest.raises(UnusableInputError, match=r"train/a/1\.tif \(a value is not a finite number\): replace"):
        decoded(tmp_path, good, bad)


def test_sixteen_bit_colour_of_a_small_range_is_refused(tmp_path: Path) -> None:
    dim = tiff(struct.pack("<3H", 0, 4095, 5), width=1, bits=16, samples=3)
    with pytest.raises(
        UnusableInputError, match=r"16-bit colour .* train/a/0\.tif the first, none above 4095 of 65535"
    ):
        decoded(tmp_path, dim)
    full = tiff(struct.pack("<3H", 0, 65535, 0x4000), width=1, bits=16, samples=3)
    assert decoded(tmp_path, dim, full)[0] == [0, 15, 0, 0, 255, 64]


def test_an_orientation_is_said_once_for_all_images(tmp_path: Path) -> None:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (2, 1)).save(stream, "jpeg", exif=exif)
    _, notes = decoded(tmp_path, stream.getvalue(), stream.getvalue())
    assert notes == (
        "images with an EXIF orientation, which is not applied: 3, train/a/0.tif the first: turn them first if "
        "that matters",
    )


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (2, 1)).save(stream, "jpeg", exif=b"Exif\0\0II*\0\x08\0\0\0\x09")
    assert decoded(tmp_path, stream.getvalue()) == ([0, 0], ())
