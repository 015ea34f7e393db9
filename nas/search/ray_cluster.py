"""The connection to a Ray cluster, and how many workers its machines have room for."""

from __future__ import annotations

import math
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from constraints.errors import UnusableInputError
from nas.search.engine import Placement

RETRIES = 2
"""How often Ray itself restarts a task whose worker or machine was lost."""
CONNECT_SECONDS = 5.0
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # otherwise Ray prints a warning
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray would print of each lost worker on stdout
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # otherwise each worker of a launch by ``uv run`` installs packages first
    "RAY_task_oom_retries": str(RETRIES),  # otherwise endless, for a network too large for every machine
}
"""Settings of Ray where the environment does not set them."""
_MISSING = "Ray is not installed: --engine ray needs it: uv run --extra ray search.py ..., or pip install ray"


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many workers a cluster has, and the processors and GPUs (maybe fractions) that each uses."""

    workers: int
    cpus: float
    gpus: float

    @property
    def placement(self) -> Placement:
        """What a worker may use; Ray makes only the assigned GPU visible to a process."""
        return Placement(device="cuda:0" if self.gpus else "cpu", threads=max(1, int(self.cpus)))


def share(nodes: Sequence[tuple[int, int]], *, workers: int | None, device: str) -> Share:
    """Divide machines, given as (processors, GPUs); ``workers`` None means one per processor, or one per GPU.

    More workers than GPUs share them equally. With more workers than processors, some wait.
    """
    gpus = sum(g for _, g in nodes)
    if device == "cuda" or (device == "auto" and gpus):
        count = workers or max(1, gpus)
        each = math.ceil(count / max(1, gpus))
        cpus = min((c / (g * each) for c, g in nodes if g), default=1.0)
        return Share(workers=count, cpus=_part(cpus), gpus=_part(1 / each))
    processors = [c for c, _ in nodes]
    count = workers or max(1, sum(processors))
    widths = range(max(processors, default=1), 1, -1)
    threads = next((t for t in widths if sum(c // t for c in processors) >= count), 1)
    return Share(workers=count, cpus=threads, gpus=0)


def _part(amount: float) -> float:
    """The amount rounded down, as Ray takes it: a whole number from 1 on, below it ten-thousandths."""
    return math.floor(amount) if amount >= 1 else math.floor(amount * 10_000) / 10_000


def is_local_address(address: str | None) -> bool:
    """Whether no existing cluster is named, so that one is started on this machine."""
    return address in {None, "", "local"}


def import_ray(*, is_local: bool) -> Any:
    """Import Ray, after setting the environment variables that it reads on import."""
    if "ray" not in sys.modules:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if is_local and "RAY_AUTH_MODE" not in os.environ:  # the ports of a cluster are open to the network
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import_module("ray.util.scheduling_strategies")
        return import_module("ray")
    except ImportError:
        raise UnusableInputError(_MISSING) from None


def check_installed() -> None:
    """Raise UnusableInputError where Ray is not installed, without importing it."""
    if find_spec("ray") is None:
        raise UnusableInputError(_MISSING)


@contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """A connection to the cluster; an existing session of the program is used and kept open."""
    if ray.is_initialized():
        yield
        return
    with ExitStack() as held:
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(log_to_driver=False, logging_level="CRITICAL", **_where(address, held))
        except (Exception, SystemExit) as error:
            ray.shutdown()
            what, remedy = f"reach the Ray cluster at {address}", "launch on one of its machines"
            if is_local_address(address):
                what, remedy = "start a Ray cluster on this machine", "launch again when it is less busy"
            raise UnusableInputError(f"cannot {what}: {last_line(error)}: {remedy}, or take --engine local") from None
        finally:
            with suppress(ValueError):  # outside the main thread, where Ray sets none
                signal.signal(signal.SIGTERM, before)  # Ray's handler would end the program without cleaning up
        held.callback(ray.shutdown)
        yield


def _where(address: str | None, held: ExitStack) -> dict[str, Any]:
    """Arguments of ``ray.init`` for the cluster at ``address``, which was reached; without one, for a local cluster."""
    if is_local_address(address):
        # The paths of sockets below it must be short; the user's temporary folder may be too long.
        logs = tempfile.TemporaryDirectory(prefix="nas-ray-", dir="/tmp", ignore_cleanup_errors=True)
        return {"address": "local", "include_dashboard": False, "_temp_dir": held.enter_context(logs)}
    host, _, port = str(address).rpartition(":")
    if address == "auto":
        return {"address": address}
    if "/" in host or not port.isdecimal():
        raise ValueError("give it as HOST:PORT, that of its head")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
        return {"address": address}


def last_line(error: BaseException) -> str:
    """An error's message in one line: the last line of a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
