"""Reads the text of an objective: ``balanced_accuracy,params,my_metric:max``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from constraints.errors import UnusableInputError
from constraints.metrics import LATENCY, Metrics
from constraints.suggestions import nearest

ACCURACY, BALANCED = "accuracy", "balanced_accuracy"
MEASURES: Mapping[str, str] = {ACCURACY: "val_accuracy", BALANCED: "val_balanced_accuracy"}
"""Accuracy that may be maximised -> the field of an epoch and of a row that holds it."""
SEVERAL = frozenset({"receptive_field_hw", "convs_per_stage", "downsampled_by"})
"""Built-in metrics of several numbers, which cannot be objectives."""
_WAYS = {"": None, "min": False, "max": True}


class Aim(NamedTuple):
    """An objective besides the accuracy, and whether it is maximised; None where the text does not say."""

    name: str
    is_maximised: bool | None = None


def read(text: str) -> tuple[str, tuple[Aim, ...]]:
    """The accuracy and the metrics that a text names; the metrics need not exist.

    Raises UnusableInputError where the first name is not in MEASURES, or a colon is not followed by min or max.
    """
    first, *others = (part.strip() for part in text.split(","))
    if first not in MEASURES:
        raise UnusableInputError(f"the first objective is an accuracy: {first!r}: {nearest(first, [*MEASURES])}")
    return first, tuple(map(_aim, others))


def check(aims: Iterable[Aim], own: Iterable[str] = ()) -> None:
    """Raise UnusableInputError for a name that is unknown (not built in, nor in ``own``) or repeated.

    Also for a metric of several numbers.
    """
    given = [aim.name for aim in aims]
    names = [*(name for name in Metrics.definitions() if name not in SEVERAL), LATENCY, *own]
    for name in given:
        if name in SEVERAL:
            raise UnusableInputError(f"no objective: {name!r} is several numbers: use a metric that is one")
        if name not in names:
            raise UnusableInputError(f"unknown metric: {name!r}: {nearest(name, names)}")
        if given.count(name) > 1:
            raise UnusableInputError(f"an objective twice: {name!r}: name each once")


def _aim(text: str) -> Aim:
    name, _, way = text.partition(":")
    if way not in _WAYS or not name:
        raise UnusableInputError(f"no objective: {text!r}: write a metric, or METRIC:max for one to be maximised")
    return Aim(name, _WAYS[way])
