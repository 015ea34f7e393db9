"""The engine ``ray``: trains on many machines as tasks of a Ray cluster, with files in the driver's run folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from constraints.errors import UnusableInputError
from nas.search.file_sync import Keeper
from nas.search.ray_cluster import (
    RETRIES,
    Share,
    check_installed,
    connected,
    import_ray,
    is_local_address,
    last_line,
    share,
)
from nas.search.ray_task import OF_THIS_PROGRAM, Packed, attempt, call, greet, plain
from nas.search.worker import Task

if TYPE_CHECKING:
    from nas.training.feed import Feed

T = TypeVar("T")

GRACE_SECONDS = 5.0
"""How long an interrupted task may take to end by itself."""
GREET_SECONDS = 600.0
"""How long the machines of the cluster may take to start their first processes, which import torch from a cold disk."""


def check(device: str, workers: int | None) -> None:
    """Raise UnusableInputError where there is no Ray; with more workers than a cluster has room for, some wait."""
    check_installed()


def start(place: str | None, *, root: Path, workers: int | None, device: str, tasks: int | None) -> RayEngine:
    """A RayEngine on the cluster whose head is at ``place``."""
    return RayEngine(root=root, address=place, workers=workers, device=device, tasks=tasks)


def machine(device: str) -> str:
    """The machine that trains, in words."""
    return "Ray cluster"


class RayEngine:
    """Runs tasks on a Ray cluster; Ray restarts a task elsewhere when its worker or machine is lost.

    A task's files are in the driver's run folder. Each attempt copies them, trains in its own folder, and sends changed
    files back after every epoch, so that an attempt resumes from the last epoch that any machine finished. A feed's
    arrays are put into Ray's object store once; all processes of a machine share one copy.
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

        ``root`` contains the folders of all tasks; with few ``tasks``, each gets more processors.

        Raises UnusableInputError where Ray is not installed, the cluster cannot be reached, one of its machines cannot
        run this program, or a GPU is asked for and there is none.
        """
        address = address or os.environ.get("RAY_ADDRESS")
        self._ray = import_ray(is_local=is_local_address(address))
        self._root, self._workers, self._device, self._tasks = root.resolve(), workers, device, tasks
        self._refs: dict[Future[Any], Any] = {}
        self._feeds: list[tuple[Feed, Any]] = []
        self._submitted = 0
        with ExitStack() as held:
            held.enter_context(connected(self._ray, address))
            self._check()
            self._keeper = self._on(self._ray.get_runtime_context().get_node_id(), Keeper).remote(self._root)
            held.callback(self._end)
            self._held = held.pop_all()

    @property
    def slots(self) -> int:
        """How many tasks the cluster can run at once at the moment."""
        return self._share().workers

    def threads(self, count: int) -> int:
        """Threads for each of ``count`` tasks that share all machines."""
        return self._share_among(count).placement.threads

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call ``function(placement, *args)`` in the cluster, as soon as it has room; BrokenProcessPool if it died.

        It counts as died after Ray has restarted it RETRIES times. If ``args`` is a Task, its files are mirrored.
        """
        self._refs = {future: ref for future, ref in self._refs.items() if not future.done()}
        mine, future = self._share(), Future[T]()
        self._submitted += 1
        run: Any = call
        if args and isinstance(task := args[0], Task):
            run, args = attempt, (self._packed(task), self._put(task.feed))
            mine = replace(mine, cpus=max(mine.cpus, task.threads or 0))
        options = {"num_cpus": mine.cpus, "num_gpus": mine.gpus, "max_retries": RETRIES}
        remote = self._ray.remote(run).options(**options, scheduling_strategy="SPREAD")
        ref = remote.remote(function, mine.placement, *args)
        self._refs[future] = ref
        ref.future().add_done_callback(partial(_settle, future))
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Return when one of ``futures`` is done, or after ``seconds``."""
        wait(futures, timeout=seconds, return_when=FIRST_COMPLETED)

    def shutdown(self) -> None:
        """End all tasks at once, and the cluster if it was started here."""
        self._held.close()

    def _end(self) -> None:
        """Interrupt the tasks, which then remove their folders, and kill those that do not end in time."""
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
        """``what``, a Ray task or actor, pinned to one machine and using no processor."""
        options = {"max_restarts": -1, "max_task_retries": -1} if isinstance(what, type) else {}
        place = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        return self._ray.remote(what).options(num_cpus=0, scheduling_strategy=place, **options)

    def _check(self) -> None:
        """Make every machine import what it will run, so that a missing module is found before candidates fail."""
        if self._device == "cuda" and not any(n["Resources"].get("GPU") for n in self._nodes()):
            raise UnusableInputError("no GPU: cuda: no machine of the Ray cluster has one: take --device cpu")
        greetings = {n["NodeManagerAddress"]: self._on(n["NodeID"], greet).remote() for n in self._nodes()}
        until = monotonic() + GREET_SECONDS
        for name, greeting in greetings.items():
            try:
                self._ray.get(greeting, timeout=max(0.0, until - monotonic()))
            except self._ray.exceptions.GetTimeoutError:
                raise UnusableInputError(
                    f"a machine of the Ray cluster started no process within {GREET_SECONDS:.0f} s: {name}: "
                    "see ray status whether it is busy or cannot be reached, then launch again"
                ) from None
            except Exception as error:
                raise UnusableInputError(
                    f"a machine of the Ray cluster cannot run this program: {name}: {last_line(error)}: "
                    "give all of them the same environment"
                ) from None

    def _packed(self, task: Task) -> Packed:
        kept = {f.name: getattr(task, f.name) for f in fields(task) if f.name not in OF_THIS_PROGRAM}
        folder = str(task.folder.resolve().relative_to(self._root))
        return Packed(fields=kept, folder=folder, submission=self._submitted, keeper=self._keeper)

    def _put(self, feed: Feed) -> Any:
        """The feed's reference in the object store, into which it is put once."""
        for known, ref in self._feeds:
            if known is feed:
                return ref
        ref = self._ray.put(plain(feed))
        self._feeds.append((feed, ref))
        return ref


def _settle(future: Future[Any], done: Future[Any]) -> None:
    """Pass the outcome of a Ray task on to its future."""
    exceptions = import_module("ray").exceptions
    error = done.exception()
    if isinstance(error, exceptions.RayTaskError):
        error = error.cause
    if isinstance(error, exceptions.RayError):
        error = BrokenProcessPool(last_line(error))
    if error is None:
        future.set_result(done.result())
    else:
        future.set_exception(error)
