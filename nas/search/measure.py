"""The accuracy that a study's candidates are judged by, and how certain a measured one is; no Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from nas.objective_text import ACCURACY, BALANCED, Aim, read
from nas.search.study import Described, foreign, shared

if TYPE_CHECKING:
    import numpy.typing as npt


def objective_of(study: Described) -> tuple[str, tuple[Aim, ...]]:
    """The accuracy and the other objectives of a study; of one that no launch made, accuracy alone.

    Raises UnusableInputError for a study that this tool did not make.
    """
    text = str(shared(study).get("objective", ACCURACY)) or ACCURACY
    try:
        return read(text)
    except UnusableInputError as error:
        raise foreign(study, f"its objective: {error}") from None


def measure_of(study: Described) -> str:
    """The first objective of a study: one of MEASURES."""
    return objective_of(study)[0]


def images_of(measure: str, labels: npt.NDArray[Any]) -> int:
    """Over how many images an accuracy is, given their labels.

    Of a balanced accuracy: over how many images, as many of each class, one would be as certain. Its variance is the
    sum over the K classes of their recalls' variances, divided by K^2. Where all recalls are r, and class k has n_k
    images, that is r (1 - r) sum(1 / n_k) / K^2: the variance of a share of K^2 / sum(1 / n_k) images.
    """
    if measure != BALANCED:
        return len(labels)
    import numpy as np  # which a leaderboard need not wait for

    counts = np.bincount(labels)
    held = counts[counts > 0]
    return max(1, round(len(held) ** 2 / float((1 / held).sum())))
