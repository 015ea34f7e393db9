"""A removed permission is effective for every user that runs the benchmark, root included."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from benchmarks.damage import bound_by_permissions, damage


def test_a_permission_that_is_taken_binds_root_too() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are its user's alone
        Path(name).chmod(0o755)
        folder = Path(name) / "case"
        (folder / "data" / "train").mkdir(parents=True)
        (folder / "journal.log").write_text("{}")
        kind, path, _ = damage(folder, random.Random(0), ["permission"])
        assert kind == "permission"
        (folder / path).chmod(0)
        with bound_by_permissions(folder), pytest.raises(PermissionError):
            (folder / path).open() if (folder / path).is_file() else next((folder / path).iterdir())
        (folder / path).chmod(0o700)
