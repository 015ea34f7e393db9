"""The accuracy that a study maximises, and how many images it is measured on; loads no Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from nas.objective_text import ACCURACY, BALANCED, Aim, read
from nas.search.study import Described, foreign, shared

if TYPE_CHECKING:
    import numpy.typing as npt


def objective_of(study: Described) -> tuple[str, tuple[Aim, ...]]:
    """The accuracy and the other objectives of a study; accuracy alone for a study that no launch made.

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
    """The number of images that an accuracy is measured on, given their labels.

    For balanced accuracy: the number of images in equal classes that would give the same variance. That variance is the
    sum over the K classes of their recalls' variances, divided by K^2. Where all recalls are r, and class k has n_k
    images, that is r (1 - r) sum(1 / n_k) / K^2: the variance of a share of K^2 / sum(1 / n_k) images.
    """
    if measure != BALANCED:
        return len(labels)
    import numpy as np  # here, so that a leaderboard does not load it

    counts = np.bincount(labels)
    held = counts[counts > 0]
    return max(1, round(len(held) ** 2 / float((1 / held).sum())))
