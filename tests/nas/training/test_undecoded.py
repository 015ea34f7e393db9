"""Why an image does not decode: what a TIFF of an unknown kind declares, and what Pillow says of others."""

from __future__ import annotations

import io
import struct
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

from constraints.errors import UnusableInputError
from nas.training.image_files import FORMATS
from nas.training.undecoded import cause
from tests.nas.training.test_depth import FLOAT, decoded, tiff


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (tiff(bytes(3), width=2, bits=12, order=">"), "12-bit big-endian unsigned integers in 1 channel"),
        (tiff(bytes(5), width=4, bits=10), "10-bit little-endian unsigned integers in 1 channel"),
        (tiff(bytes(8), width=2, bits=32, order=">"), "32-bit big-endian unsigned integers in 1 channel"),
        (
            tiff(struct.pack("<2d", 0, 1), width=2, bits=64, sample=FLOAT),
            "64-bit little-endian floating-point numbers in 1 channel",
        ),
        (
            tiff(bytes(12), width=1, bits=32, samples=3, sample=FLOAT),
            "32-bit little-endian floating-point numbers in 3 channels",
        ),
        (tiff(bytes(2), width=2, bits=8, sample=7), "8-bit little-endian numbers of an unknown kind in 1 channel"),
    ],
)
def test_a_tiff_that_is_not_read_says_what_it_declares(tmp_path: Path, picture: bytes, kind: str) -> None:
    line = rf"train/a/0\.tif \(TIFFs of {kind} are not read\): save it with 8 or 16 bits a channel, in little-endian"
    with pytest.raises(UnusableInputError, match=line):
        decoded(tmp_path, picture)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"hello", "it holds no image of a known format"),
        (tiff(bytes(2), width=2, bits=8)[:40], "it holds no image of a known format"),
        (b"II*\0", "it holds no image of a known format"),
        (b"II+\0\x08\0\0", "it holds no image of a known format"),
        (tiff(bytes(1), width=100, bits=8), r"image file is truncated \(1 bytes not processed\)"),
    ],
)
def test_others_say_why_and_nothing_else_is_printed(tmp_path: Path, content: bytes, why: str) -> None:
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(UnusableInputError, match=rf"\({why}\): replace"),
    ):
        decoded(tmp_path, content)


def test_the_order_of_a_file_and_its_planes_are_named(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, "tiff", tiffinfo={284: 2, 339: (7, 7, 7)})
    path = tmp_path / "a.tif"
    path.write_bytes(stream.getvalue())
    with pytest.raises(OSError, match="cannot identify") as raised:
        Image.open(path)
    why, _ = cause(path, raised.value)
    assert why == (
        "TIFFs of 8-bit little-endian numbers of an unknown kind in 3 channels, channel by channel are not read"
    )


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"ICO"}))
def test_no_damage_of_any_format_is_a_fault(name: str, tmp_path: Path) -> None:
    """Every 7th byte of the file, after its first ones, turned over in turn, and the file cut there."""
    stream = io.BytesIO()
    Image.new("RGB", (2, 2), (10, 200, 90)).save(stream, name)
    whole = stream.getvalue()
    for place in range(2, min(len(whole), 400), 7):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]):
            with suppress(UnusableInputError):
                decoded(tmp_path, content)


def test_a_file_that_is_removed_meanwhile_is_said_to_be(tmp_path: Path) -> None:
    why, _ = cause(tmp_path / "a.tif", UnidentifiedImageError("cannot identify"))
    assert why == "No such file or directory"
