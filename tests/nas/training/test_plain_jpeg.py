"""Plain JPEG files: Pillow's pixels, and nothing of any other file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nas.training.plain_jpeg import pixels


def encoded(height: int = 8, width: int = 12, mode: str = "RGB", kind: str = "JPEG", **options: Any) -> bytes:
    """A random picture as a file."""
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    values = np.random.default_rng(0).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values, mode=mode).save(file, kind, **options)
    return file.getvalue()


def several() -> bytes:
    return encoded(kind="MPO", save_all=True, append_images=[Image.new("RGB", (12, 8))])


def with_orientation() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(exif=exif)


@settings(max_examples=60)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    comment=st.sampled_from([b"", b"\xff\xda\xff\xd9"]),
)
def test_they_are_what_pillow_reads(height: int, width: int, **options: Any) -> None:
    content = encoded(height, width, **options)
    found = pixels(content, height, width)
    assert found is not None
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize(
    "content",
    [
        encoded(mode="L"), encoded(mode="CMYK"), encoded(keep_rgb=True), with_orientation(), several(),
        encoded(kind="PNG"), encoded(icc_profile=b"x"), encoded(height=9), encoded(width=11), b"", b"\xff\xd8\xff\xd9",
    ],
    ids=["grey", "CMYK", "kept RGB", "turned", "MPO", "PNG", "profile", "higher", "narrower", "empty", "no frame"],
)  # fmt: skip
def test_any_other_file_is_none_of_them(content: bytes) -> None:
    assert pixels(content, 8, 12) is None


def test_a_file_cut_anywhere_is_none_of_them() -> None:
    content = encoded()
    assert pixels(content, 8, 12) is not None
    for length in range(len(content)):
        assert pixels(content[:length], 8, 12) is None
