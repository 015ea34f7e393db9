"""Checkpoints of a training: written atomically, read back as tensors and plain values only."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

import torch

from nas import atomic
from nas.training.errors import OtherTrainingError
from nas.training.recipe_table import from_text

FORMAT = 2
LONGEST = 80
"""Most characters of a value in an error message: a network's weights would fill pages."""


def save_checkpoint(path: Path, run: dict[str, Any], state: dict[str, Any]) -> None:
    """Write ``state`` for the training that ``run`` describes, atomically: a crash leaves the old or the new file.

    Raises OSError where the disk is full or the folder cannot be written; the old file is kept.
    """
    content = io.BytesIO()  # torch's own writer hides the reason why a file cannot be written
    torch.save({"format": FORMAT, "run": run, "state": state}, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, content.getbuffer(), is_durable=True)


def load_checkpoint(path: Path, run: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Read the state; only tensors and plain values are loaded (``weights_only``).

    Raises OtherTrainingError when the file is damaged, or belongs to another training than ``run`` describes, and
    OSError when it cannot be read.
    Recipes are compared by their options, also where one is from an earlier release with fewer options.
    """
    stored = io.BytesIO(path.read_bytes())  # torch's own reader hides why a file cannot be read
    try:
        content = torch.load(stored, map_location=device, weights_only=True)
        found, state = {"format": content["format"], **content["run"]}, content["state"]
    except Exception as error:  # on arbitrary bytes, the reader may raise anything
        raise OtherTrainingError(
            f"the checkpoint cannot be read: {path}: remove it to start this training over"
        ) from error
    for name, wanted in {"format": FORMAT, **run}.items():
        if not _is_same(name, found.get(name), wanted):
            what = f"{name} was {_short(found.get(name))}, is {_short(wanted)}"
            raise OtherTrainingError(
                f"the checkpoint is of another training ({what}): {path}: remove it to start this training over"
            )
    if not isinstance(state, dict):
        raise OtherTrainingError(f"the checkpoint holds no state: {path}: remove it to start over")
    return state


def kept_curve(path: Path) -> list[dict[str, Any]]:
    """The curve in a checkpoint that was loaded before, one entry per epoch."""
    curve: list[dict[str, Any]] = torch.load(path, map_location="cpu", weights_only=True)["state"]["curve"]
    return curve


def _short(value: object) -> str:
    return textwrap.shorten(str(value), LONGEST, placeholder="...")


def _is_same(name: str, found: object, wanted: object) -> bool:
    if found == wanted:
        return True
    if name != "recipe" or not isinstance(found, str) or not isinstance(wanted, str):
        return False
    known = from_text(found)
    return known is not None and known == from_text(wanted)
