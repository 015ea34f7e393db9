"""A real Ray cluster of several nodes on this machine; nodes are killed, and nothing is lost with them."""

from __future__ import annotations

import importlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from constraints.errors import UnusableInputError
from constraints.rules import parse_all
from nas.search import ray_engine
from nas.search.budget import Budget
from nas.search.driver import Driver
from nas.search.ray_cluster import ENVIRONMENT, RETRIES, share
from nas.search.ray_engine import RayEngine
from nas.search.ray_task import DAY
from nas.search.retraining import Trained, confirm
from nas.search.study import CURVE
from nas.search.worker import CHECKPOINT, PROGRESS, TEST, WEIGHTS, Task
from nas.space import space as spaces
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.training.feed import Feed

ROOT = Path(__file__).parents[3]
EPOCHS = 8
JOBS = """
import os, signal, time
from pathlib import Path

import ray

from nas.search.worker import read_progress, train_candidate

LOG = Path(__file__).with_name("log")

def note(*words):
    with LOG.open("a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

def place(placement):
    return placement.device, placement.threads, ray.get_runtime_context().get_node_id(), os.getpid()

def die(placement):
    note("die")
    os.kill(os.getpid(), signal.SIGKILL)

def fail(placement):
    note("fail")
    raise ValueError("as asked")

def full(placement):
    raise OSError(28, "No space left on device", "/scratch/x")

def rest(placement, seconds):
    note("rest", os.getpid())
    time.sleep(seconds)

def mute():
    while not LOG.with_name("released").exists():
        time.sleep(0.1)

def look(placement, task):
    dataset = task.feed.dataset
    return {
        "key": task.feed.key, "tests": len(dataset.test_images), "folder": str(task.feed.folder),
        "owns": dataset.train_images.flags.owndata, "sum": int(dataset.train_images.sum()), "here": str(task.folder),
    }

def train(placement, task):
    note(task.architecture, ray.get_runtime_context().get_node_id(), len(read_progress(task.folder)))
    return train_candidate(placement, task)
"""

PATIENCE = 540.0
"""Seconds after which a wait is in vain; a quiet machine takes a few."""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The module of the functions that the cluster calls; its processes inherit the environment."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "ray_jobs.py").write_text(JOBS)
    (folder / "tmp").mkdir()
    sessions = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)  # a short path
    with sessions as short, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", short)
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{folder}")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name, value in {**ENVIRONMENT, "OMP_NUM_THREADS": "1", "RAY_agent_register_timeout_ms": "200000"}.items():
            patch.setenv(name, value)
        patch.setenv("TMPDIR", str(folder / "tmp"))  # of the cluster's processes
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def jobs(folder: Path) -> ModuleType:
    return importlib.import_module("ray_jobs")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Any]:
    """A head without processors, where the driver is, and two machines of one each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    joined(cluster, num_cpus=0, no_monitor=True, include_dashboard=False)
    for _ in range(2):
        joined(cluster, num_cpus=1)
    yield cluster
    cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray's


PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
"""Ray gives a node 15 seconds to find these for itself, which a busy machine may not keep; so they are given."""


SLOWER = 20.0
"""Ray gives a node 30 seconds to be listed, too; by a clock so many times slower a busy machine keeps them."""


def joined(cluster: Any, **options: Any) -> Any:
    """A node that joined the cluster."""
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() / SLOWER, time=time.time, sleep=time.sleep)
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in PORTS]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = {name: one.getsockname()[1] for name, one in zip(PORTS, sockets, strict=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray._private.node.time", clock)
        return cluster.add_node(object_store_memory=2**27, include_log_monitor=False, **ports, **options)


@pytest.fixture(scope="module")
def engine(cluster: Any, folder: Path) -> Iterator[RayEngine]:
    """What all tests share, the last one of them ends it: each connection has Ray start its processes again."""
    engine = RayEngine(root=folder / "run", address=cluster.address)
    yield engine
    engine.shutdown()


def lines(jobs: ModuleType, word: str) -> list[str]:
    log: Path = jobs.LOG
    return [line for line in log.read_text().splitlines() if line.startswith(word)] if log.exists() else []


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "expected"),
    [
        ([(2, 0), (4, 0)], None, "auto", (6, 1, 0)),
        ([(2, 0), (4, 0)], 3, "cpu", (3, 2, 0)),
        ([(2, 0), (4, 0)], 2, "cpu", (2, 2, 0)),  # three each would leave the machine of two without work
        ([(8, 0)], 3, "cpu", (3, 2, 0)),
        ([(2, 0)], 5, "cpu", (5, 1, 0)),
        ([(0, 0)], None, "auto", (1, 1, 0)),
        ([(16, 8)], None, "auto", (8, 2, 1)),
        ([(16, 8)], None, "cpu", (16, 1, 0)),
        ([(16, 2)], 3, "cuda", (3, 4, 0.5)),
        ([(32, 2)], 6, "auto", (6, 5, 0.3333)),
        ([(64, 0), (2, 4), (16, 4)], 8, "auto", (8, 0.5, 1)),
        ([(4, 4)], 2, "auto", (2, 1, 1)),
    ],
)
def test_machines_are_shared_out(
    nodes: list[tuple[int, int]], workers: int | None, device: str, expected: tuple[float, ...]
) -> None:
    found = share(nodes, workers=workers, device=device)
    assert (found.workers, found.cpus, found.gpus) == expected
    assert found.placement.device == ("cuda:0" if expected[2] else "cpu")
    assert found.placement.threads == max(1, int(expected[1]))


@pytest.mark.parametrize(
    ("tasks", "workers", "expected"),
    [(None, None, (4, 1)), (4, None, (4, 1)), (3, None, (3, 1)), (2, None, (2, 2)), (1, None, (1, 2)), (2, 1, (1, 2))],
)
def test_few_tasks_get_more_processors(
    monkeypatch: pytest.MonkeyPatch, tasks: int | None, workers: int | None, expected: tuple[int, int]
) -> None:
    engine = RayEngine.__new__(RayEngine)
    engine._workers, engine._device, engine._tasks = workers, "cpu", tasks
    monkeypatch.setattr(engine, "_nodes", lambda: [{"Resources": {"CPU": 2.0}}, {"Resources": {"CPU": 2.0}}])
    assert (engine._share().workers, engine._share().cpus) == expected


def test_what_a_worker_raises_comes_back_and_a_lost_one_is_retried_by_ray(engine: RayEngine, jobs: ModuleType) -> None:
    assert engine.slots == 2
    nodes = {n["NodeID"] for n in engine._nodes() if n["Resources"].get("CPU")}
    device, threads, node, pid = engine.submit(jobs.place).result(PATIENCE)
    assert (device, threads) == ("cpu", 1)
    assert node in nodes
    assert pid != os.getpid()
    with pytest.raises(ValueError, match=r"^as asked$"):
        engine.submit(jobs.fail).result(PATIENCE)
    assert len(lines(jobs, "fail")) == 1, "an error of the work's own is no loss"
    with pytest.raises(OSError, match="No space left") as caught:
        engine.submit(jobs.full).result(PATIENCE)
    assert caught.value.filename == "/scratch/x"
    lost = engine.submit(jobs.die)
    engine.wait([lost], PATIENCE)
    with pytest.raises(BrokenProcessPool):
        lost.result(0)
    assert len(lines(jobs, "die")) == 1 + RETRIES


def test_a_feed_is_placed_and_not_sent_with_each_task(
    engine: RayEngine, jobs: ModuleType, feed: Feed, folder: Path
) -> None:
    task = Task(architecture="", feed=feed, epochs=1, until=1, seed=0, folder=folder / "run" / "trial")
    old, young = folder / "tmp" / "nas-task-old", folder / "tmp" / "nas-task-young"
    for left, age in ((old, DAY + 60), (young, DAY - 600)):
        left.mkdir()
        os.utime(left, (time.time() - age,) * 2)
    seen = [engine.submit(jobs.look, task).result(PATIENCE) for _ in range(2)]
    for one in seen:
        assert (one["key"], one["sum"]) == (feed.key, int(feed.dataset.train_images.sum()))
        assert one["tests"] == 0, "what selects by validation images has no others"
        assert one["owns"] is False, "the array is in the memory that all processes of a machine share"
        assert one["folder"] == str(folder / "cache" / "neural-architecture-search" / "epochs")
        assert Path(one["here"]).parent == folder / "tmp"
        assert not Path(one["here"]).exists()
    assert len(engine._feeds) == 1
    assert not old.exists(), "what a killed task left"
    assert young.exists(), "what may be another's"
    unsplit = replace(task, feed=replace(feed, split=None))
    assert engine.submit(jobs.look, unsplit).result(PATIENCE)["tests"] == len(feed.dataset.test_images)


class Shared:
    """An engine that outlives a driver."""

    def __init__(self, engine: RayEngine) -> None:
        self.submit, self.wait, self.threads, self._engine = engine.submit, engine.wait, engine.threads, engine

    @property
    def slots(self) -> int:
        return self._engine.slots

    def shutdown(self) -> None:
        pass


def search(study: optuna.Study, engine: RayEngine, feed: Feed, folder: Path, observe: Callable[[Driver], None]) -> None:
    feasible = FeasiblePart(spaces.load("tiny", input=(3, 32, 32), classes=10), parse_all(("params < 7000",)))
    study.sampler = sampler = FeasibleSampler(feasible, seed=1)
    budget = Budget(trials=2, seconds=600.0, epochs=EPOCHS)
    driver = Driver(
        study=study, sampler=sampler, engine=Shared(engine), feed=feed, budget=budget, folder=folder, observe=observe
    )
    driver.run()
    assert driver.pace is not None, "the first epoch that was brought back tells how long one takes"


def test_a_search_continues_where_it_was_when_a_machine_is_killed(  # noqa: PLR0917 (fixtures)
    cluster: Any, engine: RayEngine, jobs: ModuleType, feed: Feed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.dispatch.train_candidate", jobs.train)  # the same, with a note of where it began
    run = folder / "run" / "search"
    study = optuna.create_study(direction="maximize")
    killed: list[str] = []
    deaths: list[int] = []

    def kill(driver: Driver) -> None:
        deaths.extend(c.deaths for c in driver.running)
        for candidate in driver.running:
            if not killed and 2 < len(candidate.curve) < EPOCHS:
                begun = [line.split() for line in lines(jobs, str(candidate.architecture))]
                node = next(n for n in cluster.worker_nodes if n.node_id == begun[-1][1])
                cluster.remove_node(node, allow_graceful=False)
                killed.extend((str(candidate.architecture), node.node_id))

    search(study, engine, feed, run, kill)
    assert killed, "the search was over before a machine could be killed"
    assert set(deaths) == {0}, "Ray itself began the lost work again"
    until(lambda: engine.slots == 1)  # Ray may notice a lost process before the lost machine
    best = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert best, [t.state for t in study.trials]
    for trial in study.trials:
        assert [e["epoch"] for e in trial.user_attrs[CURVE]] == list(range(1, len(trial.user_attrs[CURVE]) + 1))
        assert (run / f"trial-{trial.number:05d}" / CHECKPOINT).exists()
    for trial in best:
        assert (run / f"trial-{trial.number:05d}" / WEIGHTS).exists()
    begun = [line.split() for line in lines(jobs, killed[0])]
    after = begun[[b[1] for b in begun].index(killed[1]) :]
    assert any(b[1] != killed[1] and int(b[2]) > 2 for b in after), "it continued elsewhere from its last epoch"


def test_a_machine_that_joins_is_used(cluster: Any, engine: RayEngine) -> None:
    before = engine.slots
    node = joined(cluster, num_cpus=2)
    until(lambda: engine.slots == before + 2)
    cluster.remove_node(node)
    until(lambda: engine.slots == before)


def test_a_confirmation_brings_back_weights_and_test_accuracy(
    engine: RayEngine, whole_feed: Feed, folder: Path
) -> None:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    text = str(space.decode(space.random(random.Random(3))))
    one = Trained(trial=4, network=text, key=text)
    (result,) = confirm(
        optuna.create_study(), [one], engine=Shared(engine), feed=whole_feed, seeds=(0,), epochs=1,
        folder=folder / "run", progress=lambda *values: None,
    )  # fmt: skip
    assert 0 <= result.mean <= 1
    (training,) = (folder / "run").glob("confirm-00004-*/epochs-1-run-0")
    assert {p.name for p in training.iterdir()} == {CHECKPOINT, PROGRESS, TEST, WEIGHTS}


def test_a_gpu_that_no_machine_has_is_refused(engine: RayEngine, tmp_path: Path) -> None:
    assert engine.slots
    with pytest.raises(UnusableInputError, match=r"no GPU: cuda: no machine of the Ray cluster .*: take --device cpu"):
        RayEngine(root=tmp_path, device="cuda")  # in the session that there is


def test_workers_are_not_started_through_uv(engine: RayEngine) -> None:
    """Which Ray would do where the driver was: each would then look for packages to install before it starts."""
    from ray._private import ray_constants

    assert engine.slots
    assert not ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV


def test_a_machine_that_starts_no_process_is_named(
    engine: RayEngine, jobs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.slots
    monkeypatch.setattr(ray_engine, "greet", jobs.mute)  # a greeting that comes at no speed of the machine
    monkeypatch.setattr(ray_engine, "GREET_SECONDS", 0.0)
    with pytest.raises(UnusableInputError, match=r"started no process within 0 s: [\d.]+: see ray status"):
        RayEngine(root=tmp_path)  # in the session that there is
    jobs.LOG.with_name("released").touch()


def test_the_end_of_a_launch_ends_its_work_and_leaves_the_cluster(
    cluster: Any, engine: RayEngine, jobs: ModuleType, tmp_path: Path
) -> None:
    engine.submit(jobs.rest, 600.0)
    until(lambda: lines(jobs, "rest"))
    pid = int(lines(jobs, "rest")[-1].split()[1])
    started = time.monotonic()
    engine.shutdown()
    assert time.monotonic() - started < 300, "half of what the work takes"
    until(lambda: not is_alive(pid))
    engine.shutdown()
    handler = signal.getsignal(signal.SIGTERM)
    again = RayEngine(root=tmp_path, address=cluster.address)
    assert again.submit(jobs.place).result(PATIENCE)[0] == "cpu"
    assert signal.getsignal(signal.SIGTERM) is handler, "Ray's own would end a launch without its cleaning up"
    again.shutdown()


def test_a_cluster_that_is_not_there_is_one_line_without_a_wait_for_ray(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UnusableInputError) as caught:  # of the socket: Ray's own attempts end without a reason
            RayEngine(root=tmp_path, address=address)
    assert str(caught.value) == (
        f"cannot reach the Ray cluster at {address}: [Errno 111] Connection refused: "
        "launch on one of its machines, or take --engine local"
    )


def test_without_the_extra_its_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnusableInputError, match=r"Ray is not installed: .*: uv run --extra ray search.py"):
        RayEngine(root=tmp_path)


def test_ctrl_c_ends_a_launch_and_the_cluster_that_it_started(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "search.py"), "launch", "--data", "digits", "--space", "tiny", "--epochs"]
    command += ["40", "--trials", "100000", "--engine", "ray", "--workers", "1", "--device", "cpu", "--format", "json"]
    process = subprocess.Popen(
        command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        until(lambda: list(tmp_path.glob(f"runs/search/*/{PROGRESS}")) or process.poll() is not None, 500)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "error: interrupted: everything finished is kept: launch again to continue"
    assert err.count("error:") == 1
    assert "Traceback" not in err
    until(lambda: not subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, check=False).stdout)
    assert list(tmp_path.glob(f"runs/search/*/{CHECKPOINT}"))
