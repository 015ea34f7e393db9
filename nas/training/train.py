"""Train one network for one budget, and evaluate it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.training.checkpoint import load_checkpoint, save_checkpoint
from nas.training.errors import OtherTrainingError
from nas.training.feed import Feed
from nas.training.precision import Precision, resolve
from nas.training.recipes import Recipe
from nas.training.session import Epoch, Session, TrainingFailedError

__all__ = ["Epoch", "Result", "train"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of a training; ``reason`` is empty when all epochs were trained.

    ``val_accuracy`` is that of the last epoch, of the averaged weights where the recipe averages them; a network that
    diverged has accuracy 0, and None is that of a feed without validation images. ``seconds`` counts all sessions of a
    training that was resumed.
    """

    val_accuracy: float | None
    epochs: int
    seconds: float
    reason: str
    curve: tuple[Epoch, ...]


def train(
    model: nn.Module,
    feed: Feed,
    *,
    recipe: Recipe,
    epochs: int,
    seed: int,
    device: str = "cpu",
    threads: int | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], bool] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    auto: Precision | None = None,
    deterministic: bool = False,
) -> Result:
    """Train ``model`` in place and evaluate it after every epoch.

    The schedule spans ``epochs``. ``on_epoch`` may stop the training by returning False. With ``checkpoint``, each
    epoch's end is kept there before ``on_epoch`` is called, and a training whose file exists resumes from it after
    calling ``on_epoch`` with the last epoch again: on a CPU with the same ``threads``, to the same weights bit for
    bit. All randomness follows from ``seed``, the epoch and the feed; the initial weights are the caller's. At the end
    ``model`` holds the weights evaluated. ``on_step`` is called after every step: how many of the epoch's are done,
    and how many it has. The precision that ``recipe`` leaves open is ``auto``, or by default what is faster on this
    machine; the first session's is kept with the checkpoint. ``deterministic`` makes torch refuse operations that
    would not repeat on a GPU; on a CPU all repeat.

    A loss that is lost, and memory that does not suffice even for a part of a batch, end the training with a reason.

    Raises OtherTrainingError for a checkpoint that is damaged or of another training, OSError where none can be
    written: that is no fault of the network, and the old checkpoint stays.
    """
    if epochs < 1:
        raise UnusableInputError(f"epochs is out of range: {epochs}: give 1 or more")
    place = torch.device(device)
    generators = torch.random.fork_rng([] if place.type == "cpu" else [place])
    with torch_threads(threads), _deterministic(deterministic), generators:
        session = Session(model, feed, recipe, epochs, seed, place, resolve(recipe.precision, place, auto))
        session.on_step = on_step
        if checkpoint and checkpoint.exists():
            _resume(session, checkpoint)
        reason = _epochs(session, checkpoint, on_epoch)
        session.settle()
    return Result(
        val_accuracy=session.curve[-1].val_accuracy if session.curve and "diverged" not in reason else 0.0,
        epochs=len(session.curve),
        seconds=sum(epoch.seconds for epoch in session.curve),
        reason=reason,
        curve=tuple(session.curve),
    )


def _resume(session: Session, checkpoint: Path) -> None:
    """Restore what a checkpoint holds; OtherTrainingError where that is no state of this training."""
    state = load_checkpoint(checkpoint, session.description, session.device)
    try:
        session.restore(state)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise OtherTrainingError(
            f"the checkpoint holds another state than this training has: {checkpoint}: remove it to start over"
        ) from error


def _epochs(session: Session, checkpoint: Path | None, on_epoch: Callable[[Epoch], bool] | None) -> str:
    """Train the epochs that are left; the reason for an early end, or nothing."""
    if session.curve and on_epoch and not on_epoch(session.curve[-1]) and len(session.curve) < session.epochs:
        return "stopped"
    while len(session.curve) < session.epochs:
        try:
            session.curve.append(session.epoch(len(session.curve)))
            if checkpoint:
                save_checkpoint(checkpoint, session.description, session.state())
        except TrainingFailedError as error:
            return str(error)
        if on_epoch and not on_epoch(session.curve[-1]) and len(session.curve) < session.epochs:
            return "stopped"
    return ""


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch use ``count`` threads for the time; None leaves its setting alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Let torch use only algorithms that repeat, for the time; cuBLAS wants its workspace set for that.

    Setting it loads torch's compiler, which takes seconds: where it is not ``wanted`` nothing is set.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
