"""Opens the data of a study, from its stored or a new location."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.search.study import data_place, identity

if TYPE_CHECKING:
    import optuna

    from nas.training.decoded import Dataset
    from nas.training.images import Progress


def load_study_data(study: optuna.Study, source: str | None = None, progress: Progress | None = None) -> Dataset:
    """The data set that a study was made with, from ``source`` or from where its last launch read it.

    ``progress(done, total)`` counts decoded images. Raises UnusableInputError for data that cannot be opened or whose
    content differs.
    """
    from nas.training import datasets

    place = source or data_place(study, "auto")
    dataset = datasets.load(place, progress=progress)
    if dataset.content_hash != identity(study, "data")["data"]["hash"]:
        raise UnusableInputError(
            f"other data: {place} is not what study {study.study_name!r} was made with: give that with --data"
        )
    return dataset
