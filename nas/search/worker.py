"""What a worker does: train one candidate up to an epoch, from its checkpoint if it has one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import atomic
from nas.cpu import cpu_class
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
    """None is the default one for ``epochs``."""
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    """CPU class -> what the precision ``auto`` is there; on a CPU of another class it is measured."""
    after_epoch: Callable[[], None] | None = None
    """Called when the files of an epoch are written; what it raises ends the training."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A candidate's state after a task; ``reason`` is not empty when it failed."""

    curve: tuple[dict[str, Any], ...]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What a confirmed network is worth: ``test_accuracy`` is None, and ``reason`` not empty, when it failed."""

    curve: tuple[dict[str, Any], ...]
    test_accuracy: float | None
    reason: str = ""


def train_candidate(placement: Placement, task: Task) -> Outcome:
    """Train up to ``task.until`` epochs; the curve so far is in ``PROGRESS`` after every epoch.

    The weights that were evaluated last are kept as ``WEIGHTS`` when the whole budget is trained.
    """
    if task.given is not None:
        from nas.search.given_training import train_given

        return train_given(placement, task)
    _, result = trained(placement, task, built(task))
    return Outcome(curve=table(result), reason="" if result.reason == "stopped" else result.reason)


def confirm_candidate(placement: Placement, task: Task) -> Confirmed:
    """Train the whole budget, then open the test set: once in the life of the task, after its last epoch.

    ``task.feed`` holds no validation images. The accuracy is kept as ``TEST``: a task done before answers with it.
    """
    if task.given is not None:
        from nas.search.given_training import confirm_given

        return confirm_given(placement, task)
    model, result = trained(placement, task, built(task))
    return confirmed(placement, task, model, result)


def confirmed(placement: Placement, task: Task, model: nn.Module, result: Result) -> Confirmed:
    """What a training came to, and its test accuracy: measured now, unless it was before."""
    from nas.training.evaluate import evaluate

    if result.reason:
        return Confirmed(curve=table(result), test_accuracy=None, reason=result.reason)
    known = task.folder / TEST
    if not known.exists():
        feed = task.feed
        accuracy = evaluate(model, *feed.evaluation, feed.mean, feed.std, placement.device)
        atomic.write(known, json.dumps({"test_accuracy": accuracy}))
    return Confirmed(curve=table(result), test_accuracy=json.loads(known.read_text(encoding="utf-8"))["test_accuracy"])


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
    from safetensors.torch import save_file

    from nas.training import recipes
    from nas.training.train import Epoch, train

    task.folder.mkdir(parents=True, exist_ok=True)
    atomic.remove_drafts(task.folder)
    curve = [Epoch(**values) for values in read_progress(task.folder)]
    steps = StepTimesFile(task.folder)

    def on_epoch(epoch: Epoch) -> bool:
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
        recipe=task.recipe or recipes.default(task.epochs),
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
        save_file(own_state(model), task.folder / WEIGHTS)
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


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """The curve of the candidate in ``folder`` as far as it is trained, an entry an epoch; empty before the first."""
    try:
        return list(json.loads((folder / PROGRESS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
