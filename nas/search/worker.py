"""The code of a worker: trains one candidate up to an epoch, resuming from its checkpoint if there is one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import atomic
from nas.cpu import cpu_class
from nas.search import weights_file
from nas.search.engine import Placement
from nas.search.given import Given
from nas.search.pace import StepTimesFile, forget_steps
from nas.search.study import MALFORMED

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas.training.feed import Feed
    from nas.training.precision import Precision
    from nas.training.recipes import Recipe
    from nas.training.training_run import Result

CHECKPOINT = "checkpoint.pt"
PROGRESS = "progress.json"
TEST = "test.json"
EPOCH = {"epoch", "loss", "val_accuracy", "learning_rate", "seconds", "images", "val_balanced_accuracy"}
"""The fields of an epoch in PROGRESS, as in ``nas.training.session.Epoch``, whose module would load torch."""
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A candidate to train: ``epochs`` is the full budget, over which the schedule runs, ``until`` where to pause."""

    architecture: str
    """The network's text; unused where ``given`` is set."""
    feed: Feed
    epochs: int
    until: int
    seed: int
    folder: Path
    given: Given | None = None
    """The user code that builds the network, which then trains in a limited process."""
    recipe: Recipe | None = None
    """None means the default for ``epochs``."""
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    """CPU class -> the precision that ``auto`` means on it; on any other CPU class it is measured."""
    threads: int | None = None
    """Threads that it trains with; None means its worker's."""
    after_epoch: Callable[[], None] | None = None
    """Called after the files of an epoch are written; an exception ends the training."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a task; ``reason`` is not empty if it failed."""

    curve: tuple[dict[str, Any], ...]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """The result of a confirmation; if it failed, ``test_accuracy`` is None and ``reason`` is not empty."""

    curve: tuple[dict[str, Any], ...]
    test_accuracy: float | None
    reason: str = ""
    test_balanced_accuracy: float | None = None
    """Also None for a training that an earlier release evaluated."""


def train_candidate(placement: Placement, task: Task) -> Outcome:
    """Train up to ``task.until`` epochs; after every epoch, the curve so far is written to ``PROGRESS``.

    The weights of the last evaluation are stored as ``WEIGHTS`` once the full budget is trained.
    """
    placement = widened(placement, task)
    if task.given is not None:
        from nas.search.given_training import train_given

        return train_given(placement, task)
    _, result = trained(placement, task, built(task))
    return Outcome(curve=table(result), reason="" if result.reason == "stopped" else result.reason)


def confirm_candidate(placement: Placement, task: Task) -> Confirmed:
    """Train the full budget, then evaluate on the test set: only once per task, after its last epoch.

    ``task.feed`` has no validation images. The accuracy is stored as ``TEST``; a finished task returns it again.
    """
    placement = widened(placement, task)
    if task.given is not None:
        from nas.search.given_training import confirm_given

        return confirm_given(placement, task)
    model, result = trained(placement, task, built(task))
    return confirmed(placement, task, model, result)


def widened(placement: Placement, task: Task) -> Placement:
    """The placement with the task's own number of threads, if it has one."""
    return replace(placement, threads=task.threads or placement.threads)


def confirmed(placement: Placement, task: Task, model: nn.Module, result: Result) -> Confirmed:
    """The result of a training with its test accuracy, which is measured now unless it was before."""
    from nas.training.evaluation import NotANumberError, evaluate
    from nas.training.training_run import torch_threads

    if result.reason:
        return Confirmed(curve=table(result), test_accuracy=None, reason=result.reason)
    kept = _read_tests(task.folder)
    if kept is None:
        feed = task.feed
        try:
            with torch_threads(placement.threads):
                scores = evaluate(model, *feed.evaluation, feed.mean, feed.std, placement.device)
        except NotANumberError as error:
            return Confirmed(curve=table(result), test_accuracy=None, reason=f"diverged: {error} of the test set")
        kept = {f"test_{name}": value for name, value in scores._asdict().items()}
        atomic.write(task.folder / TEST, json.dumps(kept))
    return Confirmed(
        curve=table(result),
        test_accuracy=kept["test_accuracy"],
        test_balanced_accuracy=kept.get("test_balanced_accuracy"),
    )


def built(task: Task) -> nn.Module:
    """The network of a task's architecture, initialised with the task's seed."""
    import torch

    from nas.architecture.model import build
    from nas.architecture.spec import parse

    torch.manual_seed(task.seed)
    return build(parse(task.architecture))


def trained(
    placement: Placement,
    task: Task,
    model: nn.Module,
    *,
    auto: Precision | None = None,
    epoch_ended: Callable[[], None] = lambda: None,
) -> tuple[nn.Module, Result]:
    """Train the network as far as ``task`` asks, resuming from what is trained already.

    ``auto`` is the precision that the recipe's ``auto`` means, where it is not the task's.
    """
    from nas.training import recipes
    from nas.training.checkpoint import kept_curve
    from nas.training.training_run import Epoch, train

    task.folder.mkdir(parents=True, exist_ok=True)
    atomic.remove_drafts(task.folder)
    curve = [Epoch(**values) for values in read_progress(task.folder)]
    steps = StepTimesFile(task.folder)

    def on_epoch(epoch: Epoch) -> bool:
        if len(curve) < epoch.epoch - 1:  # the curve was damaged, and the study has fewer epochs than the checkpoint
            curve[:] = [Epoch(**values) for values in kept_curve(task.folder / CHECKPOINT)]
        curve[epoch.epoch - 1 :] = [epoch]
        atomic.write(task.folder / PROGRESS, json.dumps([asdict(e) for e in curve]))
        if task.after_epoch is not None:
            task.after_epoch()
        epoch_ended()
        steps.begin()
        return epoch.epoch < task.until

    result = train(
        model,
        task.feed,
        recipe=task.recipe or recipes.usual(task.epochs),
        epochs=task.epochs,
        seed=task.seed,
        device=placement.device,
        threads=placement.threads,
        checkpoint=task.folder / CHECKPOINT,
        on_epoch=on_epoch,
        on_step=steps.step,
        auto=auto or agreed(placement, task),
    )
    forget_steps(task.folder)
    if result.epochs == task.epochs:
        weights_file.save(own_state(model), task.folder / WEIGHTS)
    return model, result


def agreed(placement: Placement, task: Task) -> Precision | None:
    """The precision that all candidates use on this CPU class; None where it is not known."""
    return task.precisions.get(cpu_class()) if placement.device == "cpu" else None


def own_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a network for safetensors: every tensor with its own memory, names without a wrapper's prefix."""
    from nas.training.given_model import GivenModel

    state = (model.model if isinstance(model, GivenModel) else model).state_dict()
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def table(result: Result) -> tuple[dict[str, Any], ...]:
    """The epochs of a training, each as a dict."""
    return tuple(asdict(epoch) for epoch in result.curve)


def read_test(folder: Path) -> float | None:
    """The test accuracy stored in ``folder``; None where there is none, or the file is damaged."""
    kept = _read_tests(folder)
    return None if kept is None else kept["test_accuracy"]


def _read_tests(folder: Path) -> dict[str, float] | None:
    """The accuracies in ``TEST`` by name; earlier releases stored no balanced one."""
    try:
        kept = {str(name): float(value) for name, value in json.loads((folder / TEST).read_bytes()).items()}
        return kept if 0 <= kept["test_accuracy"] <= 1 and all(0 <= value <= 1 for value in kept.values()) else None
    except (OSError, *MALFORMED):
        return None


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """The curve of the candidate in ``folder`` so far, one entry per epoch.

    Empty before the first epoch, and where the file is damaged, which ``nas.search.trial_files`` reports before
    training.
    """
    try:
        return curve_of((folder / PROGRESS).read_bytes()) or []
    except OSError:
        return []


def curve_of(content: bytes) -> list[dict[str, Any]] | None:
    """The epochs in a PROGRESS file, numbered from 1 without a gap; None if it is damaged."""
    try:
        epochs = json.loads(content)
        fields = all({"epoch", "val_accuracy"} <= set(epoch) <= EPOCH for epoch in epochs)
        is_curve = fields and [epoch["epoch"] for epoch in epochs] == list(range(1, len(epochs) + 1))
        numbers = [value for epoch in epochs for value in epoch.values() if value is not None]
        return list(epochs) if is_curve and all(math.isfinite(value) for value in numbers) else None
    except MALFORMED:
        return None
