"""Images in no class folder, and the text of tables with their labels."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from nas.training.image_files import Listing

TRAIN = {"a.png": "cat", "b.png": "dog", "c.png": "cat"}
TEST = {"d.png": "dog", "e.png": "cat"}


def flat(folder: Path, train: dict[str, str] | None = None, test: dict[str, str] | None = None) -> Path:
    """Images of 2x2 pixels, directly in their parts."""
    for part, names in (("train", train or TRAIN), ("test", test or TEST)):
        (folder / part).mkdir(parents=True)
        for number, name in enumerate(names):
            Image.new("L", (2, 2), 10 * number).save(folder / part / name)
    return folder


def lines(*tables: dict[str, str], heading: str = "filename,label", by: str = ",") -> str:
    """A table with these names and labels."""
    rows = [f"{name}{by}{label}" for table in tables for name, label in table.items()]
    return "\n".join([*([heading] if heading else []), *rows]) + "\n"


def labels(found: Listing) -> dict[str, str]:
    """The label of each image, by its name."""
    return {file.name: file.class_name for file in (*found.train, *found.test)}
