"""Trains a network of user code: the worker starts a child process with limits and receives the result.

The worker itself never runs user code. It exchanges data with the child through pipes; nothing pickled is read from
disk.
"""

from __future__ import annotations

import base64
import pickle
from dataclasses import replace
from typing import Any

from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Job, Limits
from nas.search.engine import Placement
from nas.search.given import Given
from nas.search.worker import Confirmed, Outcome, Task, read_progress
from nas.training.errors import SharedFaultError

_CHILD = "nas.search.given_child"


def train_given(placement: Placement, task: Task) -> Outcome:
    """As ``train_candidate``; raises ModelFailedError where the user's code raised, hung or outgrew its limits."""
    found = _in_child("train", placement, task)
    return Outcome(curve=tuple(read_progress(task.folder)), reason=found["reason"])


def confirm_given(placement: Placement, task: Task) -> Confirmed:
    """As ``confirm_candidate``."""
    found = _in_child("confirm", placement, task)
    curve = tuple(read_progress(task.folder))
    return Confirmed(curve=curve, **found)


def try_given(placement: Placement, task: Task, sandbox: Sandbox) -> tuple[str, ...]:
    """Build the network and try one training step; returns messages about it, a line each.

    Nothing is written. Raises UnusableInputError for a network that cannot be trained, and as ``train_given``.
    """
    found, _ = sandbox.run(job("attempt", placement, task))
    return tuple(found["notes"])


def _in_child(name: str, placement: Placement, task: Task) -> dict[str, Any]:
    with Sandbox(sees_gpus=placement.device != "cpu") as sandbox:
        found, _ = sandbox.run(job(name, placement, task))
    if unwritten := found.get("unwritten"):
        raise OSError(*unwritten)
    if "shared" in found:
        raise SharedFaultError(found["shared"])
    return dict(found)


def job(name: str, placement: Placement, task: Task) -> Job:
    """The job for the child process; its memory limit is the network's, plus two epochs of images."""
    given = task.given
    assert given is not None
    handed = replace(task, after_epoch=None, given=replace(given, target=given.found()))
    images = task.feed.dataset.train_images[0].nbytes * len(task.feed.indices)
    return Job(
        function=f"{_CHILD}:{name}",
        arguments={"handed": base64.b64encode(pickle.dumps((placement, handed))).decode()},
        limits=replace(limits_of(given, images), is_hard=placement.device == "cpu"),
        each_stage=True,
    )


def limits_of(given: Given, images: int) -> Limits:
    """The limits of a training with epochs of ``images`` bytes."""
    return replace(given.limits, memory_bytes=given.limits.memory_bytes + 2 * images)
