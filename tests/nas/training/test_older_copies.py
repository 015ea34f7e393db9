"""Decoded copies in an older format go when a new one is written, unless a process has them open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from nas.training import datasets, older_copies
from nas.training.decoded import FORMAT
from nas.training.older_copies import remove_older

HOLDING = "import numpy, sys; array = numpy.load(sys.argv[1], mmap_mode='r'); print('open', flush=True); input()"


def copy(cache: Path, name: str, values: int = 1000) -> Path:
    """A folder as that of a decoded copy: an array of bytes with a header of 128."""
    place = cache / name
    place.mkdir(parents=True)
    np.save(place / "train_images.npy", np.zeros(values, np.uint8))
    return place


def test_only_lower_versions_of_the_same_data_go(tmp_path: Path) -> None:
    old, older, present = (copy(tmp_path, f"ab-v{n}", 1_000_000 - 128) for n in (9, 3, 10))
    others = [copy(tmp_path, name) for name in ("ab-v11", "abc-v9", "b-v3", "ab-v9.xyz", "ab")]
    assert remove_older(present) == "2 decoded copies of this data in an older format removed: 2.0 MB"
    assert not old.exists()
    assert not older.exists()
    assert all(place.exists() for place in (present, *others))
    assert remove_older(present) == ""


def test_an_open_copy_stays_until_its_process_ends(tmp_path: Path) -> None:
    old, present = copy(tmp_path, "ab-v3"), copy(tmp_path, "ab-v4")
    command = [sys.executable, "-c", HOLDING, str(old / "train_images.npy")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert remove_older(present) == ""
        process.communicate("\n")
    assert remove_older(present).startswith("1 decoded copy of this data")


def test_a_copy_that_another_process_makes_or_that_may_be_open_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, present = copy(tmp_path, "ab-v3"), copy(tmp_path, "ab-v4")
    with FileLock(f"{old}.lock"):
        assert remove_older(present) == ""
    monkeypatch.setattr(older_copies, "_PROCESSES", tmp_path / "nowhere")  # a system that does not tell
    assert remove_older(present) == ""
    assert old.exists()


def test_it_is_said_once_by_the_load_that_writes_the_new_one(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = str(make_folder())
    place = datasets.load(folder, cache=tmp_path / "c").folder
    assert place.name.endswith(f"-v{FORMAT}")
    old = place.rename(place.with_name(place.name.replace(f"-v{FORMAT}", f"-v{FORMAT - 1}")))
    first, second = (datasets.load(folder, cache=tmp_path / "c") for _ in range(2))
    assert [text[:30] for text in first.warnings] == ["1 decoded copy of this data in"]
    assert second.warnings == ()
    assert not old.exists()
