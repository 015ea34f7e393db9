"""Where the trained weights of a trial are stored, and how they were trained."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import dataclass
from pathlib import Path

from nas.search.confirm import digest
from nas.search.worker import CHECKPOINT, TEST, WEIGHTS

_TRAINING = re.compile(r"epochs-(\d+)-seed-(\d+)")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A file of trained weights: ``confirmed`` ones saw the whole training set, others the training part alone."""

    path: Path
    confirmed: bool
    test_accuracy: float | None
    """Of these very weights; None for what was never confirmed."""

    def run(self) -> dict[str, str | int]:
        """Recipe, epochs and seed, as the checkpoint beside the weights has them; empty where it is gone."""
        import torch

        try:
            run = torch.load(self.path.with_name(CHECKPOINT), map_location="cpu", weights_only=True)["run"]
        except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError):
            return {}
        return {key: run[key] for key in ("recipe", "epochs", "seed") if key in run}


def trained_weights(folder: Path, trial: int, architecture: str) -> Weights | None:
    """The weights of a trial in the study's ``folder``; None where no training of it was finished.

    Confirmed ones come first: those of the longest training, and of its seeds the lowest, whatever its test accuracy.
    """
    confirmed = _confirmed(folder / f"confirm-{trial:05d}-{digest(architecture)}")
    if confirmed is not None:
        test = json.loads((confirmed / TEST).read_text(encoding="utf-8"))
        return Weights(path=confirmed / WEIGHTS, confirmed=True, test_accuracy=test["test_accuracy"])
    searched = folder / f"trial-{trial:05d}" / WEIGHTS
    return Weights(path=searched, confirmed=False, test_accuracy=None) if searched.exists() else None


def _confirmed(folder: Path) -> Path | None:
    found = []
    for place in folder.glob("epochs-*-seed-*"):
        match = _TRAINING.fullmatch(place.name)
        if match and (place / WEIGHTS).exists() and (place / TEST).exists():
            found.append((-int(match[1]), int(match[2]), place))
    return min(found)[2] if found else None
