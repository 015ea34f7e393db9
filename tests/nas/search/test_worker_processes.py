from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.search import worker_processes
from nas.search.worker_processes import PRELOADED

SCRIPT = '''
import os, sys
sys.path.insert(0, {place!r})
from concurrent.futures import ProcessPoolExecutor
from nas.search.worker_processes import WorkerContext

ASKED = """(
    __import__('nas').__file__, 'torch' in __import__('sys').modules, __import__('os').environ['GLIBC_TUNABLES']
)"""

def one(context):
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        print(*pool.submit(eval, ASKED).result())

before = dict(os.environ)
one(WorkerContext())
one(WorkerContext())
assert dict(os.environ) == before
print("PYTHONPATH" in os.environ)
'''
ROOT = Path(__file__).parents[3]
PATIENCE = 540.0
"""Seconds within which something happens on any machine."""
FORKED = pytest.mark.skipif(not worker_processes.FORKED, reason="workers are not forked from a server here")


@FORKED
def test_the_server_loads_torch_once_and_the_code_of_its_program(tmp_path: Path) -> None:
    other = tmp_path / "nas"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('the program never imported this folder')\n")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(SCRIPT.format(place=str(ROOT)))
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "GLIBC_TUNABLES"}}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"{ROOT / 'nas' / '__init__.py'} True glibc.malloc.hugetlb=1"] * 2 + [
        "False"
    ], done.stderr


SLOW = """
import os, pathlib, time
pathlib.Path("begun").write_text(str(os.getpid()))
while not pathlib.Path("go").exists():
    time.sleep(0.01)
"""
WAITING = """
from nas.search import worker_processes
worker_processes.PRELOADED = "slow"
from nas.search.engine import Placement
from nas.search.local_engine import LocalEngine
engine = LocalEngine([Placement(device="cpu", threads=1)])
try:
    engine.submit(repr)
except KeyboardInterrupt:
    engine.shutdown()
    raise SystemExit(7)
"""


@FORKED
def test_ctrl_c_does_not_wait_for_what_the_server_loads(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "script.py").write_text(f"import signal\nsignal.signal(2, signal.default_int_handler)\n{WAITING}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    begun, script = tmp_path / "begun", [sys.executable, "script.py"]
    program = subprocess.Popen(script, cwd=tmp_path, env=environment, start_new_session=True)
    try:
        soon(lambda: begun.exists() and begun.read_text())
        os.killpg(program.pid, signal.SIGINT)  # to the server too, as a terminal does
        assert program.wait(PATIENCE) == 7
    finally:
        program.kill()
        (tmp_path / "go").touch()
    soon(lambda: not Path("/proc", begun.read_text()).exists())


def soon(holds: Callable[[], object]) -> None:
    """Return when it holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


TRAINING = """
import sys, pathlib
import {preloaded}
import numpy as np
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training import datasets, recipes, splits, decoded
from nas.training.feed import Feed
from nas.training.training_run import train

images, labels = np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 2
data = decoded.Dataset(
    name="none", content_hash="", classes=("a", "b"), train_images=images, train_labels=labels, test_images=images,
    test_labels=labels, folder=pathlib.Path({folder!r}),
)
folder = pathlib.Path({folder!r})
feed = Feed(dataset=data, split=splits.split(labels), folder=folder)
sys.modules["torch._dynamo"] = None  # whatever loads it fails
for epochs in (1, 2):  # the second one resumes
    train(build(parse("BR/c4-c4/fc")), feed, recipe=recipes.default(2), epochs=2, seed=0,
          on_epoch=lambda epoch: epoch.epoch < epochs, checkpoint=folder / "checkpoint.pt", auto="float32")
"""


def test_what_is_preloaded_suffices_for_a_training_without_torch_s_compiler(tmp_path: Path) -> None:
    """Python ignores a preloaded module that cannot be imported; torch's compiler takes seconds to load."""
    script = TRAINING.format(preloaded=PRELOADED, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
