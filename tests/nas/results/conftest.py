from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from tests.nas.results.known import known_study


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return known_study(tmp_path / "journal.log")
