"""``export``, in this process; tests/nas/results/test_exports.py has the files themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import search
from nas.architecture.named import SEED
from tests.nas.cli.refused import refused
from tests.nas.results.known import network_study

ROOT = str(Path(search.__file__).parent)
Captured = pytest.CaptureFixture[str]


def test_a_known_network_is_exported_by_its_name(here: Path, capsys: Captured) -> None:
    assert search.run(["export", "seed", "--to", "net.py", "--untrained"]) == 0
    assert capsys.readouterr().out.startswith("wrote net.py: the class Net; read back, it agrees with the untrained")
    assert str(SEED) in (here / "net.py").read_text()


def test_a_target_is_refused_before_torch_is_loaded(here: Path) -> None:
    code = "import sys, search; search.run(sys.argv[1:]); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "export", "seed", "--to", "net.xyz", "--untrained"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": ROOT})
    assert done.stderr.startswith("error: --to: unknown kind of file: net.xyz: end it with .py, ")
    assert done.stdout == "False\n"


def test_what_was_not_trained_has_no_weights(here: Path, capsys: Captured) -> None:
    network_study(here / "journal.log")
    message = refused(capsys, "export", "best", "--to", "net.py", "--storage", "journal.log")
    beginning = "trial 0 has no trained weights in networks: it is complete after 3 epochs: train it whole"
    assert message.startswith(beginning)
