"""Explains why an image cannot be decoded, and what to do."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

_REPLACE = "replace or remove it"
_SAMPLES = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers"}
"""TIFF's sample formats."""
_BITS, _PLANES, _SAMPLE, _SAMPLES_PER_PIXEL = 258, 284, 339, 277
_SEPARATE = 2
_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def cause(source: Path | bytes, error: Exception) -> tuple[str, str]:
    """What is wrong with an image that Pillow rejected with ``error``, and the remedy."""
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels", _REPLACE
    if not isinstance(error, UnidentifiedImageError):
        return " ".join(str(error).split()) or type(error).__name__, _REPLACE
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as unreadable:  # removed meanwhile
        return unreadable.strerror or str(unreadable), _REPLACE
    try:
        kind = _tiff(content)
    except (OSError, ValueError, SyntaxError, TypeError, LookupError, struct.error):
        kind = None
    if kind is None:
        return "it holds no image of a known format" if content else "it is empty", _REPLACE
    return f"{kind} are not read", "save it with 8 or 16 bits a channel, in little-endian order"


def _tiff(content: bytes) -> str | None:
    """The kind of a TIFF from its tags; None where the file is not a TIFF or has no such tags."""
    if not content.startswith(_MAGIC):
        return None
    directory = TiffImagePlugin.ImageFileDirectory_v2(content[: 16 if content[2] == 43 else 8])
    stream = io.BytesIO(content)
    stream.seek(directory.next)
    directory.load(stream)
    if (bits := directory.get(_BITS)) is None:  # it is truncated, or black and white, which can be read
        return None
    samples = _SAMPLES.get(directory.get(_SAMPLE, (1,))[0], "numbers of an unknown kind")
    channels = directory.get(_SAMPLES_PER_PIXEL, 1)
    order = "big-endian" if content.startswith(b"MM") else "little-endian"
    planes = ", channel by channel" if directory.get(_PLANES) == _SEPARATE and channels > 1 else ""
    widths = " and ".join(map(str, sorted(set(bits))))
    return f"TIFFs of {widths}-bit {order} {samples} in {channels} channel{'s' * (channels > 1)}{planes}"
