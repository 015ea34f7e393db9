"""Where candidates train on many machines: tasks of a Ray cluster, whose files are kept in the driver's run folder."""

from __future__ import annotations

import math
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from constraints.errors import UnusableInputError
from nas.search.engine import Placement
from nas.search.file_sync import Keeper, Mirror
from nas.search.worker import Task
from nas.user_cache import user_cache

if TYPE_CHECKING:
    from nas.training.feed import Feed

T = TypeVar("T")

RETRIES = 2
"""How often Ray itself begins a piece of work again whose worker or machine is lost."""
CONNECT_SECONDS = 5.0
GRACE_SECONDS = 5.0
"""How long an interrupted task has to end by itself."""
GREET_SECONDS = 120.0
"""How long a machine of the cluster has to start a first process."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning on the terminal
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray would print of each lost worker on stdout
    "RAY_task_oom_retries": str(RETRIES),  # else without end, for a network that no machine has memory for
}
"""Settings of Ray where the environment has none of its own."""
SCRATCH = "nas-task-"
DAY = 24 * 3600
OF_THIS_PROGRAM = {"feed", "folder", "after_epoch"}
"""Fields of a task that are other ones where it runs."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many workers a cluster has, and what each takes of its machine; of a processor or GPU maybe a fraction."""

    workers: int
    cpus: float
    gpus: float

    @property
    def placement(self) -> Placement:
        """What a worker may use; Ray shows a process the GPU that it was given, and no other."""
        return Placement(device="cuda:0" if self.gpus else "cpu", threads=max(1, int(self.cpus)))


def share(nodes: Sequence[tuple[int, int]], *, workers: int | None, device: str) -> Share:
    """Share machines out, given as (processors, GPUs) each; ``workers`` None means one a processor, or one a GPU.

    More workers than GPUs share these in equal parts. Of more workers than processors, some wait.
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
    """A whole amount from 1 on, and below it ten-thousandths, which are Ray's grain; never rounded up."""
    return math.floor(amount) if amount >= 1 else math.floor(amount * 10_000) / 10_000


class RayEngine:
    """Tasks of a Ray cluster: what is lost with a worker or a machine, Ray begins again elsewhere.

    A task's files are in the driver's run folder. Each attempt gets them, trains in a folder of its own, and sends what
    changed after every epoch: an attempt resumes from the last epoch that any machine finished. A feed's arrays are
    put into Ray's object store once, where all processes of a machine share one copy.
    """

    def __init__(
        self,
        *,
        root: Path,
        address: str | None = None,
        workers: int | None = None,
        device: str = "auto",
        tasks: int | None = None,
    ) -> None:
        """Connect to the cluster at ``address``, or at $RAY_ADDRESS; without either, start one of this machine.

        ``root`` holds the folders of all tasks; where there are few ``tasks``, each gets more processors.

        Raises UnusableInputError where Ray is not installed, the cluster cannot be reached, one of its machines cannot
        run this program, or a GPU is asked for and there is none.
        """
        address = address or os.environ.get("RAY_ADDRESS")
        self._ray = _import_ray(is_local=_is_local(address))
        self._root, self._workers, self._device, self._tasks = root.resolve(), workers, device, tasks
        self._refs: dict[Future[Any], Any] = {}
        self._feeds: list[tuple[Feed, Any]] = []
        self._submitted = 0
        with ExitStack() as held:
            held.enter_context(_connected(self._ray, address))
            self._check()
            self._keeper = self._on(self._ray.get_runtime_context().get_node_id(), Keeper).remote(self._root)
            held.callback(self._end)
            self._held = held.pop_all()

    @property
    def slots(self) -> int:
        """How many pieces of work the cluster can do at once, as it is now."""
        return self._share().workers

    def threads(self, count: int) -> int:
        """Threads for each of ``count`` pieces of work that have all machines to themselves."""
        return self._share_among(count).placement.threads

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call ``function(placement, *args)`` in the cluster, as soon as it has room; BrokenProcessPool where it died.

        That is after Ray has begun it RETRIES times more. Where ``args`` is a Task, its files are mirrored.
        """
        self._refs = {future: ref for future, ref in self._refs.items() if not future.done()}
        mine, future = self._share(), Future[T]()
        self._submitted += 1
        call: Any = _call
        if args and isinstance(task := args[0], Task):
            call, args = _attempt, (self._packed(task), self._put(task.feed))
            mine = replace(mine, cpus=max(mine.cpus, task.threads or 0))
        options = {"num_cpus": mine.cpus, "num_gpus": mine.gpus, "max_retries": RETRIES}
        remote = self._ray.remote(call).options(**options, scheduling_strategy="SPREAD")
        ref = remote.remote(function, mine.placement, *args)
        self._refs[future] = ref
        ref.future().add_done_callback(partial(_settle, future))
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Return when one of ``futures`` is done, or after ``seconds``."""
        wait(futures, timeout=seconds, return_when=FIRST_COMPLETED)

    def shutdown(self) -> None:
        """End the work at once, and a cluster that was started here; any other one stays."""
        self._held.close()

    def _end(self) -> None:
        """Interrupt the tasks, which then remove their folders, and kill those that take their time over it."""
        with suppress(self._ray.exceptions.RayError):
            for is_final in (False, True):
                left = {future: ref for future, ref in self._refs.items() if not future.done()}
                for ref in left.values():
                    self._ray.cancel(ref, force=is_final)
                wait(left, timeout=0 if is_final else GRACE_SECONDS)
            self._ray.kill(self._keeper)

    def _share(self) -> Share:
        whole = self._share_among(self._workers)
        if self._tasks is None or whole.workers <= self._tasks:
            return whole
        return self._share_among(self._tasks)

    def _share_among(self, workers: int | None) -> Share:
        nodes = [(int(n["Resources"].get("CPU", 0)), int(n["Resources"].get("GPU", 0))) for n in self._nodes()]
        return share(nodes, workers=workers, device=self._device)

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _on(self, node: str, what: Any) -> Any:
        """``what`` as something of Ray that runs on one machine, and takes up no processor."""
        options = {"max_restarts": -1, "max_task_retries": -1} if isinstance(what, type) else {}
        place = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        return self._ray.remote(what).options(num_cpus=0, scheduling_strategy=place, **options)

    def _check(self) -> None:
        """Have every machine import what it will run, before candidates fail because it is missing."""
        if self._device == "cuda" and not any(n["Resources"].get("GPU") for n in self._nodes()):
            raise UnusableInputError("no GPU: cuda: no machine of the Ray cluster has one: take --device cpu")
        greetings = {n["NodeManagerAddress"]: self._on(n["NodeID"], _greet).remote() for n in self._nodes()}
        for name, greeting in greetings.items():
            try:
                self._ray.get(greeting, timeout=GREET_SECONDS)
            except Exception as error:
                raise UnusableInputError(
                    f"a machine of the Ray cluster cannot run this program: {name}: {_last_line(error)}: "
                    "give all of them the same environment"
                ) from None

    def _packed(self, task: Task) -> _Packed:
        kept = {f.name: getattr(task, f.name) for f in fields(task) if f.name not in OF_THIS_PROGRAM}
        folder = str(task.folder.resolve().relative_to(self._root))
        return _Packed(fields=kept, folder=folder, submission=self._submitted, keeper=self._keeper)

    def _put(self, feed: Feed) -> Any:
        """The feed in the object store, where it is put once."""
        for known, ref in self._feeds:
            if known is feed:
                return ref
        ref = self._ray.put(_plain(feed))
        self._feeds.append((feed, ref))
        return ref


@dataclass(frozen=True, kw_only=True)
class _Packed:
    """A task on its way: without its feed, which is in the object store, and with the actor that keeps its files."""

    fields: dict[str, Any]
    folder: str
    submission: int
    keeper: Any


def _call(function: Callable[..., T], placement: Placement, *args: Any) -> T:
    return function(placement, *args)


def _attempt(function: Callable[..., T], placement: Placement, packed: _Packed, feed: dict[str, Any]) -> T:
    """Do a task in a folder of this machine, from what is kept of it."""
    attempt, files = _got(packed.keeper.begin.remote(packed.folder, packed.submission))

    def send(changed: dict[str, bytes]) -> None:
        _got(packed.keeper.keep.remote(packed.folder, attempt, changed))

    _drop_left_behind()
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        mirror = Mirror(Path(scratch), files, send)
        task = Task(**packed.fields, feed=_feed(feed), folder=Path(scratch), after_epoch=mirror.push)
        result = function(placement, task)
        mirror.push()
    return result


def _drop_left_behind() -> None:
    """Remove the folders of tasks that were killed: those without a sign of life for a day."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < time.time() - DAY:
                shutil.rmtree(folder, ignore_errors=True)


def _greet() -> None:
    """Fail where this module cannot be imported, or what trains is missing."""
    for name in ("torch", "albumentations"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}")


def _plain(feed: Feed) -> dict[str, Any]:
    """A feed's fields and its data set's as plain arrays and values; the test images only where they judge."""
    from nas.training.datasets import ARRAYS

    dataset = {f.name: getattr(feed.dataset, f.name) for f in fields(feed.dataset)}
    for name in ARRAYS:
        array = np.asarray(dataset[name])
        dataset[name] = array[:0] if feed.split is not None and name.startswith("test") else array
    return {**{f.name: getattr(feed, f.name) for f in fields(feed)}, "dataset": dataset}


def _feed(plain: dict[str, Any]) -> Feed:
    """The feed on the machine where it is needed; its epochs are in that machine's cache."""
    from nas.training.datasets import Dataset
    from nas.training.feed import Feed

    return Feed(**{**plain, "dataset": Dataset(**plain["dataset"]), "folder": user_cache() / "epochs"})


def _got(ref: Any) -> Any:
    """What an actor answers; its own error where it raised one."""
    ray = import_module("ray")
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


def _settle(future: Future[Any], done: Future[Any]) -> None:
    """Give the outcome of a Ray task to its future."""
    exceptions = import_module("ray").exceptions
    error = done.exception()
    if isinstance(error, exceptions.RayTaskError):
        error = error.cause
    if isinstance(error, exceptions.RayError):
        error = BrokenProcessPool(_last_line(error))
    if error is None:
        future.set_result(done.result())
    else:
        future.set_exception(error)


def _is_local(address: str | None) -> bool:
    return address in {None, "", "local"}


_MISSING = "Ray is not installed: --engine ray needs it: uv run --extra ray search.py ..., or pip install ray"


def _import_ray(*, is_local: bool) -> Any:
    """Ray's module; the environment that it reads on import is set before."""
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
    """Raise UnusableInputError where there is no Ray; it is not loaded for that."""
    if find_spec("ray") is None:
        raise UnusableInputError(_MISSING)


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """A connection to the cluster; the session that a program has already is used, and stays."""
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
            if _is_local(address):
                what, remedy = "start a Ray cluster on this machine", "launch again when it is less busy"
            raise UnusableInputError(f"cannot {what}: {_last_line(error)}: {remedy}, or take --engine local") from None
        finally:
            with suppress(ValueError):  # outside the main thread, where Ray sets none
                signal.signal(signal.SIGTERM, before)  # Ray's own would end the program without its cleaning up
        held.callback(ray.shutdown)
        yield


def _where(address: str | None, held: ExitStack) -> dict[str, Any]:
    """How to reach the cluster at ``address``, which answers at least; without one, how to start a cluster here."""
    if _is_local(address):
        # The paths of sockets below it must be short, which the user's own folder need not be.
        logs = tempfile.TemporaryDirectory(prefix="nas-ray-", dir="/tmp", ignore_cleanup_errors=True)
        return {"address": "local", "include_dashboard": False, "_temp_dir": held.enter_context(logs)}
    host, _, port = str(address).rpartition(":")
    if address == "auto":
        return {"address": address}
    if "/" in host or not port.isdecimal():
        raise ValueError("give it as HOST:PORT, that of its head")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
        return {"address": address}


def _last_line(error: BaseException) -> str:
    """What an error says, in a line: of a traceback the end."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
