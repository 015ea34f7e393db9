"""Trains one network for an epoch budget, and evaluates it."""

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
from nas.training.freed_memory import keep_freed
from nas.training.precision import Precision, resolve
from nas.training.recipes import Recipe
from nas.training.session import Epoch, Session, TrainingFailedError

__all__ = ["Epoch", "Result", "train"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of a training; ``reason`` is empty when all epochs were trained.

    ``val_accuracy`` is that of the last epoch, with averaged weights where the recipe averages them; 0 for a network
    that diverged, None for a feed without validation images. ``seconds`` includes all sessions of a resumed training.
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

    The schedule runs over ``epochs``. ``on_epoch`` may stop the training by returning False. With ``checkpoint``, the
    state is saved there after each epoch, before ``on_epoch`` is called. If the file exists, ``on_epoch`` is called
    with its last epoch again and the training resumes: on a CPU with the same ``threads``, to the same weights bit for
    bit. All randomness is determined by ``seed``, the epoch and the feed; the initial weights are the caller's. At the
    end, ``model`` has the evaluated weights. ``on_step(done, total)`` is called after every step with the epoch's
    steps. If the recipe's precision is ``auto``, the argument ``auto`` is used, or by default the faster one on this
    machine; the first session's choice is saved in the checkpoint. ``deterministic`` makes torch refuse
    nondeterministic operations on a GPU; on a CPU all are deterministic.

    Divergence, and too little memory even for a part of a batch, end the training with a reason.

    Raises OtherTrainingError for a checkpoint that is damaged or of another training, and OSError where none can be
    written: that is not the network's fault, and the old checkpoint is kept.
    """
    if epochs < 1:
        raise UnusableInputError(f"epochs is out of range: {epochs}: give 1 or more")
    place = torch.device(device)
    if place.type == "cpu":
        keep_freed()
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
    """Restore a checkpoint; OtherTrainingError where its state does not fit this training."""
    state = load_checkpoint(checkpoint, session.description, session.device)
    try:
        session.restore(state)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise OtherTrainingError(
            f"the checkpoint holds another state than this training has: {checkpoint}: remove it to start over"
        ) from error


def _epochs(session: Session, checkpoint: Path | None, on_epoch: Callable[[Epoch], bool] | None) -> str:
    """Train the remaining epochs; returns the reason for an early end, or an empty text."""
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
    """Make torch use ``count`` threads in the block; None leaves its setting unchanged."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Make torch use only deterministic algorithms in the block; cuBLAS needs a fixed workspace for that.

    Setting it loads torch's compiler, which takes seconds, so nothing is set unless ``wanted``.
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
