"""Which precision is faster on this CPU: decided by times, measured once and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch

from nas.cpu import cpu_class
from nas.search.worker_processes import WorkerContext
from nas.training import cpu_timing
from nas.training.cpu_timing import FOLDER, TURNS, PrecisionTiming, measure, timing

AS_MADE_BY_HAND = {"float32": 3.0, "bfloat16": 2.0}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; a measurement there ends with its first turn."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cpu_timing, "TURNS", 1)
    cpu_timing._measured_here.cache_clear()
    return tmp_path / "neural-architecture-search" / FOLDER


def kept(cache: Path) -> Path:
    (file,) = cache.glob("*.json")
    return file


@pytest.mark.parametrize(
    ("float32", "bfloat16", "faster"),
    [
        (10.9, 10.0, False),
        (11.0, 10.0, False),  # at the margin: no flip for noise
        (11.1, 10.0, True),
        (10.0, 10.0, False),
        (10.0, 160.0, False),  # emulated
    ],
)
def test_bfloat16_is_faster_where_it_is_by_more_than_a_tenth(float32: float, bfloat16: float, faster: bool) -> None:
    assert PrecisionTiming(float32=float32, bfloat16=bfloat16).is_bfloat16_faster is faster


def test_measuring_leaves_threads_and_random_numbers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_timing, "TURNS", TURNS)
    torch.set_num_threads(2)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = measure()
    assert found.float32 > 0
    assert found.bfloat16 > 0
    assert torch.get_num_threads() == 2
    assert torch.equal(before, torch.get_rng_state())


def test_it_is_measured_once_and_read_back(cache: Path) -> None:
    first = timing()
    stored = json.loads(kept(cache).read_text())
    assert (stored["float32"], stored["bfloat16"], stored["torch"]) == (
        first.float32,
        first.bfloat16,
        torch.__version__,
    )
    kept(cache).write_text(json.dumps(AS_MADE_BY_HAND))
    assert timing() == PrecisionTiming(**AS_MADE_BY_HAND)


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"float32": 1.0}', '{"float32": 1.0, "bfloat16": 0}', '{"float32": NaN, "bfloat16": 1}'],
)
def test_a_damaged_file_is_made_anew(cache: Path, damage: str) -> None:
    timing()
    kept(cache).write_text(damage)
    again = timing()
    assert json.loads(kept(cache).read_text())["float32"] == again.float32


def test_another_torch_is_measured_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timing()
    monkeypatch.setattr(torch, "__version__", "1.0")
    timing()
    assert len(list(cache.glob("*.json"))) == 2


def test_processes_that_ask_at_once_agree(cache: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=WorkerContext()) as pool:
        found = list(pool.map(_ask, [dict(os.environ)] * 3))
    assert found == [timing()] * 3
    assert [file.suffix for file in sorted(cache.iterdir())] == [".json", ".lock"]


def _ask(environment: dict[str, str]) -> PrecisionTiming:
    os.environ.update(environment)  # a worker's is that of the server it is forked from
    return timing()


def test_where_nothing_can_be_kept_a_process_measures_once(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in the folder's place")
    assert timing() is timing()


def test_a_cpu_whose_bfloat16_is_emulated_trains_in_float32(tmp_path: Path) -> None:
    """On x86 without AVX-512, oneDNN emulates bfloat16, which takes several times as long under any load."""
    if not cpu_class().startswith("AVX"):
        pytest.skip("no x86 CPU with AVX2")
    code = "import torch; from nas.training.precision import resolve; print(resolve('auto', torch.device('cpu')))"
    env = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, "-c", code], env=env, text=True, capture_output=True, check=True)
    assert done.stdout == "float32\n"
