"""Damaged files of a trial are named and set aside, and what is whole is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.search.trial_files import is_whole, take_up
from nas.search.worker import CHECKPOINT, PROGRESS, curve_of, read_progress
from nas.training.checkpoint import save_checkpoint


def curve(count: int) -> list[dict[str, Any]]:
    rest = {"loss": 1.5, "learning_rate": 0.1, "seconds": 2.0, "images": 64}
    return [{"epoch": n, "val_accuracy": n / 10, **rest} for n in range(1, count + 1)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trial with three epochs."""
    save_checkpoint(tmp_path / CHECKPOINT, {"seed": 0}, {"model": {"w": torch.arange(500.0)}, "curve": curve(3)})
    (tmp_path / PROGRESS).write_text(json.dumps(curve(3)))
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_files_stay_as_they_are(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert take_up(folder, curve(3)) == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert take_up(folder / "none", ()) == ""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.999])
def test_a_checkpoint_with_one_byte_flipped_or_cut_is_set_aside(folder: Path, share: float) -> None:
    content = (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes(content[: int(share * len(content))])
    assert not is_whole((folder / CHECKPOINT).read_bytes())
    note = take_up(folder, curve(3))
    kept = f"{CHECKPOINT}.damaged and {PROGRESS}.damaged is kept"
    assert note == f"{folder / CHECKPOINT} is damaged: it is trained from scratch, and {kept}"
    assert names(folder) == [f"{CHECKPOINT}.damaged", f"{PROGRESS}.damaged"]
    (folder / CHECKPOINT).write_bytes(b"x")
    take_up(folder, ())
    assert f"{CHECKPOINT}.damaged1" in names(folder)


def test_a_flipped_byte_of_a_weight_is_noticed(folder: Path) -> None:
    content = bytearray((folder / CHECKPOINT).read_bytes())
    place = bytes(content).index(torch.arange(500.0).numpy().tobytes()) + 400
    content[place] ^= 1
    (folder / CHECKPOINT).write_bytes(content)
    assert not is_whole((folder / CHECKPOINT).read_bytes())


@pytest.mark.parametrize("content", [b"", b"[", b"\xff\xfe", b"{}x", b'[{"epoch": 1}]', b"null", b"[3]"])
def test_a_damaged_curve_is_written_anew_by_what_the_study_knows(folder: Path, content: bytes) -> None:
    (folder / PROGRESS).write_bytes(content)
    assert read_progress(folder) == []
    note = take_up(folder, curve(2))
    assert note == f"{folder / PROGRESS} is damaged: it continues from its checkpoint, and {PROGRESS}.damaged is kept"
    assert read_progress(folder) == curve(2)
    assert is_whole((folder / CHECKPOINT).read_bytes())


def test_a_damaged_curve_without_a_checkpoint_begins_anew(folder: Path) -> None:
    (folder / PROGRESS).write_bytes(b"[")
    (folder / CHECKPOINT).unlink()
    assert "there is no checkpoint: it is trained from scratch" in take_up(folder, curve(2))
    assert names(folder) == [f"{PROGRESS}.damaged"]


@pytest.mark.parametrize(
    ("change", "is_curve"),
    [({}, True), ({"val_accuracy": None}, True), ({"epoch": 3}, False), ({"loss": float("nan")}, False),
     ({"loss": "1"}, False), ({"more": 1}, False), ({"seconds": []}, False)],
)  # fmt: skip
def test_what_a_curve_is(change: dict[str, Any], is_curve: bool) -> None:
    epochs = curve(2)
    epochs[1] |= change
    assert (curve_of(json.dumps(epochs).encode()) == epochs) is is_curve


@pytest.mark.parametrize("name", [CHECKPOINT, PROGRESS])
def test_a_file_that_cannot_be_read_is_not_damaged(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()  # a read fails for root too, as one without permission does for other users
    with pytest.raises(IsADirectoryError) as caught:
        take_up(folder, curve(3))
    assert caught.value.filename == str(folder / name)
    assert names(folder) == sorted([CHECKPOINT, PROGRESS])
