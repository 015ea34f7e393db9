"""What a worker does: train one candidate up to an epoch, from its checkpoint if it has one."""

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

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas.training.feed import Feed
    from nas.training.precision import Precision
    from nas.training.recipes import Recipe
    from nas.training.train import Result

CHECKPOINT = "checkpoint.pt"
PROGRESS = "progress.json"
TEST = "test.json"
EPOCH = {"epoch", "loss", "val_accuracy", "learning_rate", "seconds", "images", "val_balanced_accuracy"}
"""The fields of an epoch in PROGRESS: those of ``nas.training.session.Epoch``, which loads torch."""
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A candidate to train: ``epochs`` is the whole budget that the schedule spans, ``until`` where to pause."""

    architecture: str
    """Its text; of no meaning where the network is given."""
    feed: Feed
    epochs: int
    until: int
    seed: int
    folder: Path
    given: Given | None = None
    """Where a person's own code makes the network, which then trains in a limited process."""
    recipe: Recipe | None = None
    """None is the usual one for ``epochs``."""
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    """CPU class -> what the precision ``auto`` is there; on a CPU of another class it is measured."""
    threads: int | None = None
    """Threads that it trains with; None are those of its worker."""
    after_epoch: Callable[[], None] | None = None
    """Called when the files of an epoch are written; what it raises ends the training."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A candidate's state after a task; ``reason`` is not empty when it failed."""

    curve: tuple[dict[str, Any], ...]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """The test accuracy of a confirmed network: ``test_accuracy`` is None, and ``reason`` not empty, when it failed."""

    curve: tuple[dict[str, Any], ...]
    test_accuracy: float | None
    reason: str = ""
    test_balanced_accuracy: float | None = None
    """None, too, of a training that an earlier release evaluated."""


def train_candidate(placement: Placement, task: Task) -> Outcome:
    """Train up to ``task.until`` epochs; the curve so far is in ``PROGRESS`` after every epoch.

    The weights that were evaluated last are kept as ``WEIGHTS`` when the whole budget is trained.
    """
    placement = widened(placement, task)
    if task.given is not None:
        from nas.search.given_training import train_given

        return train_given(placement, task)
    _, result = trained(placement, task, built(task))
    return Outcome(curve=table(result), reason="" if result.reason == "stopped" else result.reason)


def confirm_candidate(placement: Placement, task: Task) -> Confirmed:
    """Train the whole budget, then open the test set: once in the life of the task, after its last epoch.

    ``task.feed`` holds no validation images. The accuracy is kept as ``TEST``: a task done before answers with it.
    """
    placement = widened(placement, task)
    if task.given is not None:
        from nas.search.given_training import confirm_given

        return confirm_given(placement, task)
    model, result = trained(placement, task, built(task))
    return confirmed(placement, task, model, result)


def widened(placement: Placement, task: Task) -> Placement:
    """What a task may use: the threads of its worker, or its own."""
    return replace(placement, threads=task.threads or placement.threads)


def confirmed(placement: Placement, task: Task, model: nn.Module, result: Result) -> Confirmed:
    """What a training came to, and its test accuracy: measured now, unless it was before."""
    from nas.training.evaluate import evaluate
    from nas.training.train import torch_threads

    if result.reason:
        return Confirmed(curve=table(result), test_accuracy=None, reason=result.reason)
    kept = _read_tests(task.folder)
    if kept is None:
        feed = task.feed
        with torch_threads(placement.threads):
            scores = evaluate(model, *feed.evaluation, feed.mean, feed.std, placement.device)
        kept = {f"test_{name}": value for name, value in scores._asdict().items()}
        atomic.write(task.folder / TEST, json.dumps(kept))
    return Confirmed(
        curve=table(result),
        test_accuracy=kept["test_accuracy"],
        test_balanced_accuracy=kept.get("test_balanced_accuracy"),
    )


def built(task: Task) -> nn.Module:
    """The network of a task's architecture, its weights drawn from the task's seed."""
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
    """The network as far as ``task`` wants it trained; what is trained already is not trained again.

    ``auto`` is the precision that the recipe leaves open, where it is not that of the task.
    """
    from nas.training import recipes
    from nas.training.checkpoint import kept_curve
    from nas.training.train import Epoch, train

    task.folder.mkdir(parents=True, exist_ok=True)
    atomic.remove_drafts(task.folder)
    curve = [Epoch(**values) for values in read_progress(task.folder)]
    steps = StepTimesFile(task.folder)

    def on_epoch(epoch: Epoch) -> bool:
        if len(curve) < epoch.epoch - 1:  # the curve was damaged, and the study knows fewer epochs than the checkpoint
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
    """The precision that all candidates train in on a CPU of this class; None where that is not known."""
    return task.precisions.get(cpu_class()) if placement.device == "cpu" else None


def own_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a network, each tensor in memory of its own, as safetensors wants it; without a wrapper's names."""
    from nas.training.given_model import GivenModel

    state = (model.model if isinstance(model, GivenModel) else model).state_dict()
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def table(result: Result) -> tuple[dict[str, Any], ...]:
    """The epochs of a training, each as a table."""
    return tuple(asdict(epoch) for epoch in result.curve)


def read_test(folder: Path) -> float | None:
    """The test accuracy that is kept in ``folder``; None where there is none, or the file is damaged."""
    kept = _read_tests(folder)
    return None if kept is None else kept["test_accuracy"]


def _read_tests(folder: Path) -> dict[str, float] | None:
    """The accuracies of ``TEST`` by name; an earlier release kept no balanced one."""
    try:
        kept = {str(name): float(value) for name, value in json.loads((folder / TEST).read_bytes()).items()}
        return kept if 0 <= kept["test_accuracy"] <= 1 and all(0 <= value <= 1 for value in kept.values()) else None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """The curve of the candidate in ``folder`` as far as it is trained, an entry an epoch.

    Empty before the first, and where the file is damaged: ``nas.search.trial_files`` says so before a training.
    """
    try:
        return curve_of((folder / PROGRESS).read_bytes()) or []
    except OSError:
        return []


def curve_of(content: bytes) -> list[dict[str, Any]] | None:
    """The epochs in a PROGRESS file, numbered from 1 without a gap; None for what is damaged."""
    try:
        epochs = json.loads(content)
        fields = all({"epoch", "val_accuracy"} <= set(epoch) <= EPOCH for epoch in epochs)
        is_curve = fields and [epoch["epoch"] for epoch in epochs] == list(range(1, len(epochs) + 1))
        numbers = [value for epoch in epochs for value in epoch.values() if value is not None]
        return list(epochs) if is_curve and all(math.isfinite(value) for value in numbers) else None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None
