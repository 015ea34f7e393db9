from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path: Path, timed: Path, few_draws: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, also for decoded data."""
    shutil.copytree(timed, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NAS_DATA", raising=False)
    return tmp_path
