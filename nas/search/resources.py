"""The resources of this machine (cores, GPUs, threads), and the start of the engine ``local`` on them."""

from __future__ import annotations

import os
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.processors import usable_processors
from nas.config import LaunchConfig
from nas.cpu import cpu_class
from nas.search.engine import Placement
from nas.search.local_engine import LocalEngine, placements

MOST_WORKERS = 16
"""Most workers on each core or GPU, each of which is a process that holds torch and an epoch of images."""


def check(device: str, workers: int | None) -> None:
    """Raise UnusableInputError where a GPU is asked for and there is none, or for more workers than are of any use."""
    most = MOST_WORKERS * max(gpus(device), cores())
    if workers is not None and workers > most:
        raise UnusableInputError(
            f"too many workers for this machine: {workers}: give at most {most}, {MOST_WORKERS} per core, or leave it "
            "out for one per core"
        )


def start(place: str | None, *, root: Path, workers: int | None, device: str, tasks: int | None) -> LocalEngine:
    """The local engine, after ``check``; with few ``tasks``, fewer workers with more cores each."""
    check(device, workers)
    count = gpus(device)
    wanted = workers or count or cores()
    wanted = min(wanted, tasks or wanted)
    most = most_threads()
    places = placements(workers=wanted, device=device, cores=cores(), gpus=count, most_threads=most)
    return LocalEngine(places, cores=cores(), most_threads=most)


def machine(device: str) -> str:
    """The machine that trains, in words."""
    return "GPU" if gpus(device) else cpu_class()


def trying_placement(config: LaunchConfig) -> Placement:
    """The placement for trying a training step: that of a worker of this machine."""
    count = gpus(config.device)
    workers = config.workers or count or cores()
    return placements(workers=workers, device=config.device, cores=cores(), gpus=count, most_threads=most_threads())[0]


def gpus(device: str) -> int:
    """How many GPUs this machine has; UnusableInputError where ``device`` is cuda and it has none."""
    if device == "cpu" or (device == "auto" and not Path("/dev/nvidiactl").exists()):
        return 0
    import torch

    count = torch.cuda.device_count()
    if device == "cuda" and not count:
        raise UnusableInputError("no GPU: cuda: this machine has none that torch can use: take --device cpu")
    return count


def cores() -> int:
    """Number of cores that this process may use."""
    return usable_processors()


def most_threads() -> int | None:
    """The limit on threads that OMP_NUM_THREADS sets; None where it is not set."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else None
