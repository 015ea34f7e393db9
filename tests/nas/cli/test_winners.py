"""``export``, in this process; tests/nas/results/test_export.py has the files themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

import search
from nas.architecture.named import SEED
from tests.nas.cli.refused import refused
from tests.nas.results.known import network_study

Captured = pytest.CaptureFixture[str]


def test_a_known_network_is_exported_by_its_name(here: Path, capsys: Captured) -> None:
    assert search.run(["export", "seed", "--to", "net.py", "--untrained"]) == 0
    assert capsys.readouterr().out.startswith("wrote net.py: the class Net; read back, it agrees with the untrained")
    assert str(SEED) in (here / "net.py").read_text()


def test_what_was_not_trained_has_no_weights(here: Path, capsys: Captured) -> None:
    network_study(here / "journal.log")
    told = refused(capsys, "export", "best", "--to", "net.py", "--storage", "journal.log")
    assert told.startswith("trial 0 has no trained weights in networks: it is complete after 3 epochs: train it whole")
