"""A teacher: trained networks whose logits a student learns in addition to labels, computed once for all students.

Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network* (2015). The teacher sees what the student sees
(Beyer et al., *Knowledge distillation: A good teacher is patient and consistent*, 2022): the augmented epoch with the
crops and flips of the recipe, which are drawn once per epoch when distilling. Two differences are intended: at low
resolution, which only saves time, the teacher still sees the full resolution at which it was trained; and with mixup,
the teacher's two targets are mixed, like the labels.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import load
from torch.nn import functional as F

from constraints.errors import UnusableInputError
from nas import atomic
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training.evaluation import batch_size, normaliser
from nas.training.recipes import Recipe

if TYPE_CHECKING:
    from torch import nn

    from nas.training.batchwise import Drawn
    from nas.training.feed import Feed

MOST = 60_000.0
"""Logits are clipped to this magnitude, since the greatest float16 is 65,504."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One trained network of a teacher."""

    name: str
    """The name that the user gave."""
    architecture: str
    weights: bytes
    """Its state as safetensors, in any precision."""
    mean: tuple[float, ...] = ()
    """Per-channel mean (and ``std``) for standardising its images, on the 0 to 1 scale; empty: the student's."""
    std: tuple[float, ...] = ()
    saw_validation: bool = False
    """Whether it was trained on the validation images too."""

    def built(self) -> nn.Module:
        """The network in eval mode; UnusableInputError where the weights do not fit the network."""
        with torch.random.fork_rng([]):
            model = build(parse(self.architecture)).eval()
        try:
            model.load_state_dict(load(self.weights))
        except Exception as error:  # of bytes that are anything the reader may raise anything
            raise UnusableInputError(f"unusable teacher: {self.name}: its weights are not its network's") from error
        return model

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that determines its logits."""
        digest = hashlib.sha256(json.dumps([self.architecture, self.mean, self.std]).encode())
        for name, tensor in sorted(load(self.weights).items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """One network or several, whose logits are averaged: the geometric mean of what they predict (Hinton et al.)."""

    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """The name that the user gave."""
        return " + ".join(member.name for member in self.members)

    @cached_property
    def hash(self) -> str:
        """A hash that is equal for two teachers exactly if they have the same members."""
        return hashlib.sha256(" ".join(sorted(member.digest for member in self.members)).encode()).hexdigest()


def distilled(
    loss: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor, *, weight: float, temperature: float
) -> torch.Tensor:
    """The weighted sum of the loss against labels and against a teacher's logits (both batch x classes).

    (1 - w) * loss + w * T^2 * KL(softmax(targets / T) || softmax(logits / T)), mean over the batch, with w the
    ``weight`` and T the ``temperature``; T^2 keeps the size of gradients independent of T (Hinton et al., section 2).
    """
    student = F.log_softmax(logits / temperature, 1)
    teacher = F.log_softmax(targets.float() / temperature, 1)
    divergence = F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return (1 - weight) * loss + weight * temperature**2 * divergence


def targets(feed: Feed, recipe: Recipe, number: int, drawn: Drawn | None, device: torch.device) -> np.ndarray:
    """The logits (float16, images x classes) of the feed's teacher on epoch ``number`` (from 0), in its order.

    They are stored beside the epoch, and computed by the process that needs them first while others wait; where the
    folder cannot be written, each process computes its own. Raises UnusableInputError for a feed without a teacher.
    """
    teacher = feed.teacher
    if teacher is None:
        raise UnusableInputError(f"recipe {recipe.name} distils, and there is no teacher: give --teacher")
    place = feed.folder / feed.key / f"epoch-{number:04d}.logits-{_key(teacher, recipe)}.npy"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            found = _read(place, len(feed.labels))
            if found is None:
                found = _logits(teacher, feed, recipe, number, drawn, device)
                content = io.BytesIO()
                np.save(content, found, allow_pickle=False)
                atomic.write(place, content.getbuffer())
            return found
    except OSError:
        return _logits(teacher, feed, recipe, number, drawn, device)


def _read(place: Path, count: int) -> np.ndarray | None:
    """The stored logits; None where there are none, or the file is damaged."""
    try:
        found: np.ndarray = np.load(place, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return found if found.dtype == np.float16 and found.ndim == 2 and len(found) == count else None


def _key(teacher: Teacher, recipe: Recipe) -> str:
    """A hash of everything that the logits depend on, except the epoch's images."""
    options = [teacher.hash, recipe.crop, recipe.flip, recipe.alternating_flip]
    return hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]


@torch.inference_mode()
def _logits(  # noqa: PLR0917 - internal
    teacher: Teacher,
    feed: Feed,
    recipe: Recipe,
    number: int,
    drawn: Drawn | None,
    device: torch.device,
) -> np.ndarray:
    images = feed.epoch(number)
    total = np.zeros((len(images), len(feed.dataset.classes)), dtype=np.float32)
    size = batch_size(device)
    for member in teacher.members:
        model = member.built().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean, std = (np.asarray(member.mean), np.asarray(member.std)) if member.mean else (feed.mean, feed.std)
        normalise = normaliser(mean, std, device)
        for start in range(0, len(images), size):
            rows = slice(start, start + size)
            batch = normalise(torch.from_numpy(images[rows]))
            shown = recipe.changed(batch, drawn[rows].to(device) if drawn else None)
            total[rows] += model(shown).float().cpu().numpy()
    return np.clip(total / len(teacher.members), -MOST, MOST).astype(np.float16)
