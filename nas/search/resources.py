"""What this machine gives a search: cores, GPUs, threads, and the engine that trains on them."""

from __future__ import annotations

import os
from pathlib import Path

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig
from nas.cpu import cpu_class
from nas.search.engine import Engine, LocalEngine, Placement, placements
from nas.search.stored import runs_folder


def engine(config: LaunchConfig, tasks: int | None = None) -> Engine:
    """The workers of this machine, or of a Ray cluster; for few ``tasks`` fewer of this machine, each with more cores.

    Raises UnusableInputError where a GPU is asked for and there is none, or the cluster cannot be reached.
    """
    if config.engine != "local":
        from nas.search.ray_engine import RayEngine

        root = runs_folder(config.storage)
        address = config.engine.partition(":")[2] or None
        return RayEngine(root=root, address=address, workers=config.workers, device=config.device, tasks=tasks)
    count = gpus(config.device)
    workers = config.workers or count or cores()
    workers = min(workers, tasks or workers)
    most = most_threads()
    places = placements(workers=workers, device=config.device, cores=cores(), gpus=count, most_threads=most)
    return LocalEngine(places, cores=cores(), most_threads=most)


def trying_placement(config: LaunchConfig) -> Placement:
    """Where a step of a training is tried: as on a worker of this machine."""
    count = gpus(config.device)
    workers = config.workers or count or cores()
    return placements(workers=workers, device=config.device, cores=cores(), gpus=count, most_threads=most_threads())[0]


def machine_name(config: LaunchConfig) -> str:
    """What trains, in words."""
    if config.engine != "local":
        return "Ray cluster"
    return "GPU" if gpus(config.device) else cpu_class()


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
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_threads() -> int | None:
    """The limit that OMP_NUM_THREADS sets to the threads of a process; None where it sets none."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else None
