"""Files of images: what is read, the messages about it, and what is not opened."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training.image_files import ImageFile, Listing
from nas.training.images import decode


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


GREY = saved(Image.new("L", (2, 1), 7), "png")


def one_of(content: bytes) -> Listing:
    """A data set of a 2x1 grey image and of a file of that content."""
    files = tuple(
        ImageFile(part="train", class_name="a", name=name, source=source)
        for name, source in (("0.png", GREY), ("1.png", content))
    )
    return Listing(origin="here", classes=("a", "b"), train=files, test=files[:1])


@pytest.mark.parametrize("kind", ["gif", "tiff", "webp", "png"])
def test_of_several_pictures_in_a_file_the_first_is_read_and_that_is_said(kind: str, tmp_path: Path) -> None:
    shades = [Image.new("L", (2, 1), value) for value in (0, 200)]
    content = saved(shades[0], kind, save_all=True, append_images=shades[1:])
    (note,) = decode(one_of(content), tmp_path)
    assert note.startswith("files with several pictures, of which the first is read: 1, train/a/1.png the first: ")
    assert np.load(tmp_path / "train_images.npy")[1, 0, :, 0].tolist() == [0, 0]


@pytest.mark.parametrize(("orientation", "pixels"), [(1, [3, 4]), (3, [4, 3])])  # 3: by half a turn
def test_that_tiffs_are_turned_by_their_orientation_is_said(
    orientation: int, pixels: list[int], tmp_path: Path
) -> None:
    content = saved(Image.fromarray(np.array([[3, 4]], dtype=np.uint8)), "tiff", tiffinfo={274: orientation})
    notes = decode(one_of(content), tmp_path)
    said = ("TIFF images with an orientation, by which they are turned: 1, train/a/1.png the first",)
    assert notes == (said if orientation == 3 else ())
    assert np.load(tmp_path / "train_images.npy")[1, 0, :, 0].tolist() == pixels


def test_a_file_that_starts_a_program_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"decode: train/a/1.png \(it holds no image of a known format\)"):
        decode(one_of(saved(Image.new("RGB", (2, 1)), "eps")), tmp_path)


@pytest.mark.parametrize(("limit", "is_refused"), [(1, True), (2, False)])  # each has 2 pixels
def test_an_image_of_too_many_pixels_is_named(
    limit: int, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    if not is_refused:
        assert decode(one_of(GREY), tmp_path) == ()
        return
    with pytest.raises(UnusableInputError, match=r"decode: train/a/0.png \(it has more than 1 pixels\): replace"):
        decode(one_of(GREY), tmp_path)
