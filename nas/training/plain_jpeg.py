"""Decodes plain JPEG files with OpenCV, in a third of the time that Pillow takes.

Both use libjpeg-turbo, and give the same pixels. A file with anything but its pixels (orientation, several pictures,
other colour spaces) is not plain, and is left to Pillow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_START, _END = b"\xff\xd8", b"\xff\xd9"
_FRAMES = {0xC0, 0xC2}
"""Baseline and progressive."""
_SCAN = 0xDA
_WITHOUT_MEANING = {0xE0, 0xDB, 0xC4, 0xDD, 0xFE}
"""Segments that do not affect how pixels are read: JFIF, tables, restart interval, comments."""


def pixels(content: bytes, height: int, width: int) -> npt.NDArray[np.uint8] | None:
    """H x W x 3, RGB; None if the file is not a plain colour JPEG of that size or cannot be decoded."""
    if _frame(content) != (height, width):
        return None
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    found = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    if found is None:
        return None
    return np.asarray(found, dtype=np.uint8)[:, :, ::-1]  # OpenCV's colours are blue, green, red


def _frame(content: bytes) -> tuple[int, int] | None:
    """Height and width of a complete, plain JPEG with three colour channels; None for any other file."""
    if not content.startswith(_START) or not content.endswith(_END):
        return None
    place, size = 2, None
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4])
        segment = content[place + 4 : place + 2 + length]
        if marker == _SCAN:
            return size
        if marker in _FRAMES and size is None:
            size = _size(segment)
        elif marker not in _WITHOUT_MEANING:
            return None
        place += 2 + length
    return None


def _size(frame: bytes) -> tuple[int, int] | None:
    """Height and width of a frame with 8 bits per channel and channels 1 to 3 (luma, two chroma); None otherwise."""
    if len(frame) != 15 or frame[0] != 8 or frame[5] != 3 or frame[6::3] != b"\x01\x02\x03":
        return None
    return int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
