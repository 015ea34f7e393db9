from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas.search import worker_processes
from nas.search.worker_processes import PRELOADED

SCRIPT = """
import os, sys
sys.path.insert(0, {place!r})
from concurrent.futures import ProcessPoolExecutor
from nas.search.worker_processes import WorkerContext

def one(context):
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        print(*pool.submit(eval, "__import__('nas').__file__, 'torch' in __import__('sys').modules").result())

before = dict(os.environ)
one(WorkerContext())
one(WorkerContext())
assert dict(os.environ) == before
print("PYTHONPATH" in os.environ)
"""
ROOT = Path(__file__).parents[3]
FORKED = pytest.mark.skipif(not worker_processes.FORKED, reason="workers are not forked from a server here")


@FORKED
def test_the_server_loads_torch_once_and_the_code_of_its_program(tmp_path: Path) -> None:
    other = tmp_path / "nas"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('the program never imported this folder')\n")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(SCRIPT.format(place=str(ROOT)))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.splitlines() == [f"{ROOT / 'nas' / '__init__.py'} True"] * 2 + ["False"], done.stderr


def test_what_is_preloaded_can_be_imported() -> None:
    """Python ignores a preloaded module that cannot be imported."""
    done = subprocess.run([sys.executable, "-c", f"import {PRELOADED}"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
