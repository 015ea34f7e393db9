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
from nas.search.pace import StepTimesFile, forget_steps

if TYPE_CHECKING:
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
    feed: Feed
    epochs: int
    until: int
    seed: int
    folder: Path
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
    test_balanced_accuracy: float | None = None
    """None, too, of a training that an earlier release evaluated."""


def train_candidate(placement: Placement, task: Task) -> Outcome:
    """Train up to ``task.until`` epochs; the curve so far is in ``PROGRESS`` after every epoch.

    The weights that were evaluated last are kept as ``WEIGHTS`` when the whole budget is trained.
    """
    _, result = _trained(placement, task)
    return Outcome(curve=_table(result), reason="" if result.reason == "stopped" else result.reason)


def confirm_candidate(placement: Placement, task: Task) -> Confirmed:
    """Train the whole budget, then open the test set: once in the life of the task, after its last epoch.

    ``task.feed`` holds no validation images. The accuracy is kept as ``TEST``: a task done before answers with it.
    """
    from nas.training.evaluate import evaluate

    model, result = _trained(placement, task)
    if result.reason:
        return Confirmed(curve=_table(result), test_accuracy=None, reason=result.reason)
    known = task.folder / TEST
    if not known.exists():
        feed = task.feed
        scores = evaluate(model, *feed.evaluation, feed.mean, feed.std, placement.device)
        atomic.write(known, json.dumps({f"test_{name}": value for name, value in scores._asdict().items()}))
    kept = json.loads(known.read_text(encoding="utf-8"))
    return Confirmed(
        curve=_table(result),
        test_accuracy=kept["test_accuracy"],
        test_balanced_accuracy=kept.get("test_balanced_accuracy"),
    )


def _trained(placement: Placement, task: Task) -> tuple[nn.Module, Result]:
    """The candidate's network as far as ``task`` wants it trained; what is trained already is not trained again."""
    import torch
    from safetensors.torch import save_file

    from nas.architecture.model import build
    from nas.architecture.spec import parse
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
        steps.begin()
        return epoch.epoch < task.until

    torch.manual_seed(task.seed)
    model = build(parse(task.architecture))
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
        auto=task.precisions.get(cpu_class()) if placement.device == "cpu" else None,
    )
    forget_steps(task.folder)
    if result.epochs == task.epochs:
        weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, task.folder / WEIGHTS)
    return model, result


def _table(result: Result) -> tuple[dict[str, Any], ...]:
    return tuple(asdict(epoch) for epoch in result.curve)


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """The curve of the candidate in ``folder`` as far as it is trained, an entry an epoch; empty before the first."""
    try:
        return list(json.loads((folder / PROGRESS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
