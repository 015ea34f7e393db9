"""Training a network of user code, the part in the sandboxed child process: build it, try it, train it."""

from __future__ import annotations

import base64
import hashlib
import math
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from constraints.errors import ConstraintError, ModelFailedError, with_type
from constraints.faults import failed, is_ours
from constraints.model_state import copied
from constraints.owners import is_users
from constraints.sandbox.child import Checked
from constraints.sandbox.loading import Loader
from constraints.sandbox.named import Send, load_model, stage
from constraints.sandbox.request import Request
from constraints.sandbox.seeding import seed_everything
from nas.architecture.module_import import import_module
from nas.search import weights_file
from nas.search.engine import Placement
from nas.search.given import Given
from nas.search.given_module import unpacked
from nas.search.given_outputs import outputs_metadata
from nas.search.worker import WEIGHTS, Confirmed, Task, agreed, confirmed, own_state, trained
from nas.training import recipes
from nas.training.errors import SharedFaultError
from nas.training.evaluation import normaliser
from nas.training.given_model import GivenModel
from nas.training.given_preparation import PreparedModel, prepare
from nas.training.precision import resolve
from nas.training.training_run import Result

FOLLOW_UP = f"{__name__}:described"
_TRIED = 8
"""Images that a model is tried on."""
_BEAT_SECONDS = 1.0
"""Least time between two heartbeats."""
_UNLIMITED = 10**9


def described(checked: Checked, request: Request) -> dict[str, Any]:
    """What training needs to know about a checked model in addition to the report."""
    return {
        **_written(checked, request),
        "files": _files(request),
        "sizes": _sizes(checked, request),
        "is_finished": checked.is_finished,
    }


def _written(checked: Checked, request: Request) -> dict[str, Any]:
    """The architecture's text, or why there is none."""
    try:
        return {"architecture": str(import_module(checked.model, request.inputs[0].shape).architecture)}
    except Exception as error:  # the model's code runs again here, and may raise anything
        return {"architecture": None, "why": " ".join(str(error).split())}


def _files(request: Request) -> dict[str, str]:
    """The user files that are imported, the target's first, each with its SHA-256."""
    target = request.target
    first = target.file or Path(getattr(sys.modules.get(target.module), "__file__", None) or "")
    if not first.is_file() or not is_users(str(first.resolve())):
        return {}
    loaded = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    own = {str(Path(file).resolve()) for file in loaded if file.endswith(".py") and is_users(str(Path(file).resolve()))}
    paths = dict.fromkeys([str(first.resolve()), *sorted(own)])
    return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths if Path(path).is_file()}


def _sizes(checked: Checked, request: Request) -> dict[str, float] | None:
    """Megabytes by torchinfo's definitions; None where it cannot summarise the model."""
    import torchinfo

    try:
        counted = torchinfo.summary(checked.model, (1, *request.inputs[0].shape), verbose=0)
    except Exception:  # torchinfo's hooks may fail on a model that the check could run: `show` leaves sizes out
        return None
    found = (counted.total_input, counted.total_output_bytes, counted.total_param_bytes)
    return dict(zip(("input", "forward_backward", "params"), (size / 1e6 for size in found), strict=True))


def attempt(arguments: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Build the network and try a training step; returns its notes."""
    placement, task = _handed(arguments)
    with _prepared(placement, task, send) as prepared:
        return {"notes": list(prepared.notes)}


def train(arguments: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Train a candidate as a worker does; ``reason`` is not empty where its training failed."""
    placement, task = _handed(arguments)
    with _prepared(placement, task, send) as prepared:
        return _done(lambda: _outcome(*_trained(placement, task, prepared, send)))


def confirm(arguments: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Train on all images and open the test set, as a worker does."""
    placement, task = _handed(arguments)
    with _prepared(placement, task, send) as prepared:
        return _done(lambda: _confirmation(confirmed(placement, task, *_trained(placement, task, prepared, send))))


def _handed(arguments: Mapping[str, Any]) -> tuple[Placement, Task]:
    """The placement and task that the worker, this process's parent, wrote into its pipe."""
    placement, task = pickle.loads(base64.b64decode(arguments["handed"]))
    return placement, task


def _confirmation(found: Confirmed) -> dict[str, Any]:
    return {
        "test_accuracy": found.test_accuracy,
        "test_balanced_accuracy": found.test_balanced_accuracy,
        "reason": found.reason,
    }


def _outcome(_: torch.nn.Module, result: Result) -> dict[str, Any]:
    return {"reason": "" if result.reason == "stopped" else result.reason}


def _keep_as_architecture(task: Task, model: GivenModel) -> None:
    """Write the weights under the architecture's names, after checking that it computes the same with them."""
    shape = task.feed.dataset.image_shape
    found = import_module(copied(model.model).cpu(), shape)
    weights_file.save({name: t.clone().contiguous() for name, t in found.weights.items()}, task.folder / WEIGHTS)


def _keep_with_outputs(task: Task, model: GivenModel) -> None:
    """Write the weights with outputs, by which an export knows that the network it makes is the trained one."""
    about = outputs_metadata(copied(model.model).cpu(), task.feed.dataset.image_shape)
    weights_file.save(own_state(model), task.folder / WEIGHTS, about)


def _done(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of ``work``; errors that are not the network's fault (files, augmentation) are marked as such."""
    try:
        return work()
    except OSError as error:
        if error.errno is None:
            raise
        return {"unwritten": [error.errno, error.strerror, error.filename and str(error.filename)]}
    except SharedFaultError as error:
        return {"shared": str(error)}


@contextmanager
def _prepared(placement: Placement, task: Task, send: Send) -> Iterator[PreparedModel]:
    """The network that the user code builds with the task's seed, ready to be trained."""
    given = task.given
    assert given is not None
    seed_everything(task.seed)
    if placement.threads:
        torch.set_num_threads(placement.threads)
    with Loader(seconds=given.limits.seconds / 3) as loader:
        model = _unpacked(given, send) if given.pickled else load_model(given.target, given.arguments, loader, send)
        torch.set_grad_enabled(True)  # the code may have turned gradients off, for what it does with a trained model
        with stage("a step of its training", send):
            prepared = _on_cpu(lambda: _tried(placement, task, model, send), loader)
        yield prepared


def _unpacked(given: Given, send: Send) -> torch.nn.Module:
    """The module that the user's program, an ancestor of this process, sent from its memory."""
    with stage("import", send):
        return unpacked(given)


def _on_cpu(work: Callable[[], PreparedModel], loader: Loader) -> PreparedModel:
    """The result of ``work``; retried on the CPU where the code asks for a GPU that does not exist."""
    try:
        return work()
    except RuntimeError as error:
        if not loader.remedies.avoids_accelerator(str(error)):
            raise
    return work()


def _tried(placement: Placement, task: Task, model: torch.nn.Module, send: Send) -> PreparedModel:
    feed, device = task.feed, torch.device(placement.device)
    recipe = task.recipe or recipes.usual(task.epochs)
    images = torch.from_numpy(feed.dataset.train_images[feed.indices[:_TRIED]])
    wrapped = GivenModel(model, len(feed.dataset.classes), _signs(send)[0]).to(device)
    shown = normaliser(feed.mean, feed.std, device)(images)
    precision = resolve(recipe.precision, device, agreed(placement, task))
    assert task.given is not None
    return prepare(wrapped, shown, recipe, precision, is_finished=task.given.is_finished)


def _trained(placement: Placement, task: Task, prepared: PreparedModel, send: Send) -> tuple[torch.nn.Module, Result]:
    """Train as a worker does; the time limit applies to the user code, not to making augmented images."""

    prepared.model.alive, rest = _signs(send)
    recipe = task.recipe or recipes.usual(task.epochs)
    if recipe.precision not in ("auto", prepared.precision):
        recipe = replace(recipe, precision=prepared.precision)
    task = replace(task, recipe=recipe)
    rest()
    try:
        model, result = trained(placement, task, prepared.model, auto=prepared.precision, epoch_ended=rest)
        if task.given is not None and result.epochs == task.epochs:
            (_keep_as_architecture if task.given.is_architecture else _keep_with_outputs)(task, prepared.model)
        return model, result
    except ConstraintError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and is_ours(error):  # a full disk, say; a model's own file is its own matter
            raise
        raise _fault(error) from error


def _fault(error: Exception) -> ConstraintError:
    """The error of a model's training; one from torch's backward pass counts as the model's, too."""
    found = failed("training", error)
    if isinstance(found, ModelFailedError):
        return found
    return ModelFailedError(f"the model's training raised: {with_type(error)}", traceback=found.traceback)


def _signs(send: Send) -> tuple[Callable[[], None], Callable[[], None]]:
    """Two heartbeats: one restarts the time limit, the other suspends it until the next heartbeat."""
    last = -math.inf

    def beat() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _BEAT_SECONDS:
            last = now
            send({"stage": "training"})

    def rest() -> None:
        nonlocal last
        last = -math.inf
        send({"stage": "training", "seconds": _UNLIMITED})

    return beat, rest
