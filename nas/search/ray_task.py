"""A task of a Ray cluster: trains in a local folder, whose files are copied to the driver's run folder."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nas.search.engine import Placement
from nas.search.file_sync import Mirror
from nas.search.worker import Task
from nas.user_folders import user_cache

if TYPE_CHECKING:
    from nas.training.feed import Feed

T = TypeVar("T")

SCRATCH = "nas-task-"
DAY = 24 * 3600
OF_THIS_PROGRAM = {"feed", "folder", "after_epoch"}
"""Fields of a task that are replaced on the machine where it runs."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A task to be sent: without its feed, which is in the object store, and with the actor that stores its files."""

    fields: dict[str, Any]
    folder: str
    submission: int
    keeper: Any


def call(function: Callable[..., T], placement: Placement, *args: Any) -> T:
    """Run a function that needs no files."""
    return function(placement, *args)


def attempt(function: Callable[..., T], placement: Placement, packed: Packed, feed: dict[str, Any]) -> T:
    """Run a task in a folder of this machine, starting from its stored files."""
    began, files = _got(packed.keeper.begin.remote(packed.folder, packed.submission))

    def send(changed: dict[str, bytes]) -> None:
        _got(packed.keeper.keep.remote(packed.folder, began, changed))

    _drop_left_behind()
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        mirror = Mirror(Path(scratch), files, send)
        task = Task(**packed.fields, feed=_feed(feed), folder=Path(scratch), after_epoch=mirror.push)
        result = function(placement, task)
        mirror.push()
    return result


def _drop_left_behind() -> None:
    """Remove the folders of tasks that were killed: those without a heartbeat for a day."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < time.time() - DAY:
                shutil.rmtree(folder, ignore_errors=True)


def greet() -> None:
    """Raise where this module or what training needs cannot be imported."""
    for name in ("torch", "albumentations"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}")


def plain(feed: Feed) -> dict[str, Any]:
    """The fields of a feed and its data set as plain arrays and values; test images only where they are evaluated."""
    from nas.training.decoded import ARRAYS

    dataset = {f.name: getattr(feed.dataset, f.name) for f in fields(feed.dataset)}
    for name in ARRAYS:
        array = np.asarray(dataset[name])
        dataset[name] = array[:0] if feed.split is not None and name.startswith("test") else array
    return {**{f.name: getattr(feed, f.name) for f in fields(feed)}, "dataset": dataset}


def _feed(plain: dict[str, Any]) -> Feed:
    """The feed on the machine where it is needed; its epochs are in that machine's cache."""
    from nas.training.decoded import Dataset
    from nas.training.feed import Feed

    return Feed(**{**plain, "dataset": Dataset(**plain["dataset"]), "folder": user_cache() / "epochs"})


def _got(ref: Any) -> Any:
    """The result of an actor's call; raises the actor's own error where there is one."""
    ray = import_module("ray")
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
