"""Finds the trained weights of a trial, and how they were trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from constraints.errors import UnusableInputError
from nas.search.retraining import digest
from nas.search.study_folder import StudyFolder
from nas.search.worker import CHECKPOINT, PROGRESS, TEST, WEIGHTS, curve_of, read_progress, read_test

_TRAINING = re.compile(r"epochs-(\d+)-(run|seed)-(\d+)")
"""Folder names of a confirmation's trainings; ``seed`` in earlier versions, where all seeds shared augmentation."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A file of trained weights: ``confirmed`` ones saw the whole training set, others only the training part."""

    path: Path
    confirmed: bool
    test_accuracy: float | None
    """Test accuracy of exactly these weights; None for unconfirmed ones."""

    def run(self) -> dict[str, str | int]:
        """Recipe, epochs and seed from the checkpoint beside the weights; empty where it is missing."""
        import torch

        try:
            run = torch.load(self.path.with_name(CHECKPOINT), map_location="cpu", weights_only=True)["run"]
        except Exception:  # on a damaged file, the reader may raise anything; the training is then unknown
            return {}
        return {key: run[key] for key in ("recipe", "epochs", "seed") if key in run}


def trained_weights(
    folder: StudyFolder,
    trial: int,
    key: str,
    *,
    curve: Sequence[float | None],
    confirmed: Mapping[tuple[int, int], float],
) -> Weights | None:
    """The weights of a trial in the study's ``folder``; None where no training of it was finished.

    ``key`` distinguishes its network from others with that number: an architecture's text, or the key of user code.

    Confirmed ones are preferred: those of the longest training with the lowest seed, whatever its test accuracy. The
    files must agree with the study: with the trial's ``curve`` (validation accuracies), and with the test accuracy of
    each ``confirmed`` training, by epochs and seed; in a folder without a mark, other confirmations are ignored. Raises
    UnusableInputError where they disagree.
    """
    trainings = folder.path / f"confirm-{trial:05d}-{digest(key)}"
    found = _confirmed(trainings, confirmed, is_marked=folder.is_marked)
    if found is not None:
        return found
    searched = folder.path / f"trial-{trial:05d}" / WEIGHTS
    if not searched.exists():
        return None
    progress = searched.with_name(PROGRESS)
    if not folder.is_marked and progress.exists() and curve_of(progress.read_bytes()) is None:
        raise UnusableInputError(f"{progress} is damaged: whose weights are beside it is not known: confirm the trial")
    _check(searched, [epoch.get("val_accuracy") for epoch in read_progress(searched.parent)], curve)
    return Weights(path=searched, confirmed=False, test_accuracy=None)


def _confirmed(folder: Path, known: Mapping[tuple[int, int], float], *, is_marked: bool) -> Weights | None:
    found = []
    for place in folder.glob("epochs-*"):
        match = _TRAINING.fullmatch(place.name)
        if match and (place / WEIGHTS).exists() and (place / TEST).exists():
            found.append((-int(match[1]), int(match[3]), match[2], place))
    for negative_epochs, seed, _, place in sorted(found):
        accuracy = known.get((-negative_epochs, seed))
        if accuracy is None and not is_marked:
            continue
        test = read_test(place)
        if test is None:
            raise UnusableInputError(f"{place / TEST} is damaged: confirm the trial again, which evaluates its weights")
        _check(place / WEIGHTS, [test], [test if accuracy is None else accuracy])
        return Weights(path=place / WEIGHTS, confirmed=True, test_accuracy=test)
    return None


def _check(weights: Path, found: Sequence[float | None], known: Sequence[float | None]) -> None:
    """Raise UnusableInputError where two lists of accuracies differ in the epochs that both have."""
    for here, there in zip(found, known, strict=False):
        if here != there:
            raise UnusableInputError(
                f"the weights in {weights} are of another training than the study's trial: its accuracy was {there}, "
                f"theirs {here}: restore the study's own folder, or train it again with search.py confirm"
            )
