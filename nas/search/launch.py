"""A launch: configuration -> data, space, study, workers and driver."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from constraints.augmentation import judge_augmentation
from constraints.errors import UnusableInputError
from constraints.rules import parse_all
from nas.config import DEFAULT_TARGET, LaunchConfig
from nas.cpu import cpu_class
from nas.search.budget import Budget, Summary
from nas.search.driver import Driver
from nas.search.engine import Engine, LocalEngine, placements
from nas.search.lease import LAPSE_SECONDS, Lease
from nas.search.objectives import Objectives
from nas.search.storage import is_postgresql, open_storage, reason, run_folder
from nas.search.study import DATA, PRECISIONS, SOURCE, TARGET, create_or_resume
from nas.space import space as spaces
from nas.space.feasible import FeasiblePart
from nas.space.proxy import FITTED
from nas.space.sampler import FeasibleSampler
from nas.training import datasets
from nas.training.augmentation import PIPELINES
from nas.training.datasets import Dataset
from nas.training.feed import Feed
from nas.training.precision import Precision, resolve


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A launch that is ready to run."""

    study: optuna.Study
    driver: Driver
    dataset: Dataset
    lock: ExitStack
    """Keeps other launches off the study until it is closed."""


def check(config: LaunchConfig) -> None:
    """Raise UnusableInputError for what is wrong with a configuration whatever its data, before that is decoded."""
    spaces.load(config.space)
    if config.engine == "local":
        gpus(config.device)


def prepare(
    config: LaunchConfig, dataset: Dataset, observe: Callable[[Driver], None], *, lapse: float = LAPSE_SECONDS
) -> Prepared:
    """Open everything that a search needs; every error comes before a worker starts.

    ``lapse`` is of the lease, in seconds.

    Raises UnusableInputError for a space in which nothing is feasible, a storage that cannot be opened, a study made
    with other data, space or constraints, one that another launch holds, a GPU that is not there.
    """
    space = spaces.load(config.space, input=dataset.image_shape, classes=len(dataset.classes))
    feasible = FeasiblePart(space, parse_all(config.constraints))
    feasible.sample(random.Random(config.seed))
    feed = search_feed(dataset, config.seed)
    objectives = Objectives.parse(config.objective)
    proxy = FITTED if config.guess else None
    sampler = FeasibleSampler(feasible, seed=config.seed, proxy=proxy, values=objectives.so_far)
    with ExitStack() as held, one_line_errors():
        workers = engine(config)
        held.callback(workers.shutdown)
        storage = open_storage(config.storage, write=True)
        check = held.enter_context(hold(config.storage, config.study, storage=storage, lapse=lapse))
        identity = _identity(config, dataset, space)
        study = create_or_resume(storage, config.study, identity, sampler, objectives.directions)
        budget = _budget(config)
        _describe(study, config, dataset)
        known = precisions(study)
        lock = held.pop_all()
    driver = Driver(
        study=study,
        sampler=sampler,
        engine=workers,
        feed=feed,
        budget=budget,
        folder=run_folder(config.storage, config.study),
        seed=config.seed,
        objectives=objectives,
        precisions=known,
        machine=_machine(config),
        observe=observe,
        hold=check,
    )
    return Prepared(study=study, driver=driver, dataset=dataset, lock=lock)


def _budget(config: LaunchConfig) -> Budget:
    return Budget(
        trials=config.trials,
        seconds=config.timeout,
        epochs=config.epochs,
        target=config.target or (DEFAULT_TARGET if config.stop_at_target else None),
        stop_at_target=config.stop_at_target,
    )


def _describe(study: optuna.Study, config: LaunchConfig, dataset: Dataset) -> None:
    """Keep in the study what its leaderboard shows; a target that an earlier launch asked for stays."""
    study.set_user_attr(TARGET, config.target or study.user_attrs.get(TARGET) or DEFAULT_TARGET)
    study.set_user_attr(SOURCE, _absolute(config.data))
    study.set_user_attr(DATA, dataset.name)


def precisions(study: optuna.Study) -> dict[str, Precision]:
    """What the precision ``auto`` is in a study, by CPU class.

    This machine's is measured before the first training on a CPU of its class, and kept in the study: all candidates
    and all launches agree on it, whatever a later measurement would say.
    """
    known: dict[str, Precision] = dict(study.user_attrs.get(PRECISIONS, {}))
    if cpu_class() not in known:
        known[cpu_class()] = resolve("auto", torch.device("cpu"))
        study.set_user_attr(PRECISIONS, known)
    return known


def _machine(config: LaunchConfig) -> str:
    """What trains, in words."""
    if config.engine != "local":
        return "Ray cluster"
    return "GPU" if gpus(config.device) else cpu_class()


def run(prepared: Prepared) -> Summary:
    """Search until a budget is spent; UnusableInputError where the disk or the database became unavailable.

    What was stored until then is kept, and the next launch resumes from it.
    """
    with prepared.lock, one_line_errors():
        return prepared.driver.run()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn a full disk, a vanished folder or a lost database into one line."""
    try:
        yield
    except OSError as error:
        raise UnusableInputError(
            f"cannot continue: {error.filename or 'the disk'}: {error.strerror or error}: "
            "fix that and launch again, which resumes the study"
        ) from error
    except (SQLAlchemyError, StorageInternalError) as error:
        raise UnusableInputError(
            f"the storage became unavailable: {reason(error.__cause__ or error)}: "
            "fix that and launch again, which resumes the study"
        ) from error


def engine(config: LaunchConfig, tasks: int | None = None) -> Engine:
    """The workers of this machine, or of a Ray cluster; for few ``tasks`` fewer of this machine, each with more cores.

    Raises UnusableInputError where a GPU is asked for and there is none, or the cluster cannot be reached.
    """
    if config.engine != "local":
        from nas.search.ray_engine import RayEngine

        root = run_folder(config.storage, config.study)
        address = config.engine.partition(":")[2] or None
        return RayEngine(root=root, address=address, workers=config.workers, device=config.device, tasks=tasks)
    count = gpus(config.device)
    workers = config.workers or count or cores()
    workers = min(workers, tasks or workers)
    return LocalEngine(
        placements(workers=workers, device=config.device, cores=cores(), gpus=count, most_threads=most_threads())
    )


def search_feed(dataset: Dataset, seed: int) -> Feed:
    """What candidates train on: the training part of the split, judged by the validation part.

    Raises UnusableInputError where the augmentation breaks the assignment's rule 6, which speaks of 32x32 images.
    """
    split = datasets.split(dataset.train_labels, seed=0)
    feed = Feed(dataset=dataset, split=split, folder=datasets.default_cache() / "epochs", seed=seed)
    mean = [float(m) for m in feed.mean]
    verdict = judge_augmentation(PIPELINES[feed.augmentation](mean, **feed.probabilities), mean)
    if not verdict.ok:
        raise UnusableInputError(f"the augmentation breaks its rule: {verdict.why}: {'; '.join(verdict.fix)}")
    return feed


def confirm_feed(dataset: Dataset) -> Feed:
    """The whole training set, judged by the test set."""
    return Feed(dataset=dataset, split=None, folder=datasets.default_cache() / "epochs")


def gpus(device: str) -> int:
    """How many GPUs this machine has; UnusableInputError where ``device`` is cuda and it has none."""
    if device == "cpu" or (device == "auto" and not Path("/dev/nvidiactl").exists()):
        return 0
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


@contextmanager
def hold(
    place: str, study: str, job: str = "driver", *, storage: BaseStorage | None = None, lapse: float = LAPSE_SECONDS
) -> Iterator[Callable[[], None]]:
    """Keep a second ``job`` off a study: by a lease in PostgreSQL, and off the folder of its checkpoints by a file.

    Yields what a search calls before each step (``Lease.check``); nothing commits through ``storage`` without the
    lease. Raises UnusableInputError where another holds the study.
    """
    with ExitStack() as held:
        check: Callable[[], None] = _nothing
        if is_postgresql(place):
            with one_line_errors():
                lease = held.enter_context(Lease(place, study, job, lapse=lapse))
            check = lease.check
            if isinstance(storage, RDBStorage):
                lease.guard(storage.engine)
        lock = _lock(run_folder(place, study), study, job)
        held.callback(lock.release)
        yield check


def _lock(folder: Path, study: str, job: str) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{job}.lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise UnusableInputError(
            f"study {study!r} is held by another process that works in {folder}: "
            "wait for it to end, or take another --study"
        ) from None
    except OSError as error:
        raise UnusableInputError(f"cannot write {folder}: {error.strerror}: give --storage a writable path") from None
    return lock


def _nothing() -> None:
    """What is held by a file alone is not lost meanwhile."""


def _identity(config: LaunchConfig, dataset: Dataset, space: spaces.Space) -> dict[str, object]:
    return {
        "data": {"name": dataset.name, "hash": dataset.content_hash},
        "space": {"name": config.space, "hash": space.fingerprint},
        "constraints": ", ".join(config.constraints),
        "seed": config.seed,
        "epochs": config.epochs,
        "objective": config.objective,
    }


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source
