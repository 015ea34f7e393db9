"""How fast this machine's CPU trains in float32 and bfloat16: measured once, then cached for the user."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from nas import atomic
from nas.cpu import cpu_class
from nas.user_folders import user_cache

FOLDER = "timings"
"""Subfolder of the user's cache folder for timings."""
MARGIN = 1.1
"""float32 must take this many times as long for bfloat16 to count as faster: less may be noise."""
CHANNELS, SIDE, BATCH = 32, 32, 8
TURNS = 20
SECONDS = 0.2
"""Processor seconds after which no further repetition starts, since emulated bfloat16 is ten times slower."""


@dataclass(frozen=True, kw_only=True)
class PrecisionTiming:
    """Processor seconds of a forward and backward pass through SAMPLE on one thread, in each precision."""

    float32: float
    bfloat16: float

    @property
    def is_bfloat16_faster(self) -> bool:
        """Whether bfloat16 is faster by more than MARGIN."""
        return self.float32 > MARGIN * self.bfloat16


SAMPLE = f"two 3x3 convolutions, dense and depthwise, {CHANNELS} channels, {SIDE}x{SIDE}, batch {BATCH}"


def timing() -> PrecisionTiming:
    """The cached timing for this CPU and torch; measured now where there is none or its file is damaged.

    Processes that ask at the same time wait for the first one and get its result. Where the cache folder cannot be
    written, each process measures for itself.
    """
    about = _about()
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
    place = user_cache() / FOLDER / f"{name}.json"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            known = _read(place)
            if known is None:
                known = measure()
                atomic.write(place, json.dumps({**about, **asdict(known)}, indent=1))
            return known
    except OSError:
        return _measured_here()


def measure() -> PrecisionTiming:
    """Time SAMPLE now: precisions alternate, the fastest repetition counts; processor time is robust to load."""
    layers, images = _sample()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with _one_thread():
        began = time.thread_time()
        while len(seconds[True]) < TURNS and (not seconds[True] or time.thread_time() - began < SECONDS):
            for bfloat16, turns in seconds.items():
                turns.append(_pass(layers, images, bfloat16=bfloat16))
    return PrecisionTiming(float32=min(seconds[False]), bfloat16=min(seconds[True]))


def _sample() -> tuple[nn.Module, torch.Tensor]:
    """SAMPLE and its input, channels last as in training; the caller's random generator is left alone."""
    with torch.random.fork_rng([]):
        dense = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        depthwise = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False)
        images = torch.randn(BATCH, CHANNELS, SIDE, SIDE)
    layers = nn.Sequential(dense, depthwise).to(memory_format=torch.channels_last)
    return layers, images.contiguous(memory_format=torch.channels_last).requires_grad_()


def _pass(layers: nn.Module, images: torch.Tensor, *, bfloat16: bool) -> float:
    began = time.thread_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        answer = layers(images)
    answer.float().sum().backward()
    return time.thread_time() - began


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread in the block, since a thread's clock does not count other threads' work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _measured_here() -> PrecisionTiming:
    return measure()


def _about() -> dict[str, str]:
    """What a timing depends on: the CPU, torch, and which CPU instructions torch may use."""
    return {
        "cpu": _model(),
        "class": cpu_class(),
        "used": torch.backends.cpu.get_cpu_capability(),
        "onednn": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        "torch": torch.__version__,
        "sample": SAMPLE,
    }


def _model() -> str:
    """The CPU's model name on Linux; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _read(place: Path) -> PrecisionTiming | None:
    """The timing in a file; None where there is none, or it is invalid."""
    try:
        table: Any = json.loads(place.read_text(encoding="utf-8"))
        found = PrecisionTiming(float32=float(table["float32"]), bfloat16=float(table["bfloat16"]))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return found if all(0 < seconds < math.inf for seconds in asdict(found).values()) else None
