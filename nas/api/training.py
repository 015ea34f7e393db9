"""``nas.train``: trains the user's own network in the same way as a study's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from constraints.errors import UnusableInputError
from nas.api.keywords import public
from nas.api.searching import warned, watching
from nas.api.viewing import leaderboard
from nas.config import read_config
from nas.defaults import STORAGE
from nas.results.rows import Row
from nas.search import given_launch, search_launch
from nas.search.study_opening import quiet
from nas.search.wanted import Wanted
from nas.training import datasets

if TYPE_CHECKING:
    from torch import nn


@public
def train(
    model: Any,
    *,
    arguments: Mapping[str, Any] | None = None,
    seeds: int = 1,
    epochs: int | None = None,
    recipe: str | Path | None = None,
    augmentation: str | None = None,
    teacher: Sequence[str] | None = None,
    data: str | Path | None = None,
    study: str | None = None,
    storage: str | Path = STORAGE,
    target: float | None = None,
    constraints: Sequence[str] | None = None,
    metrics: str | Path | None = None,
    log: Sequence[str] | None = None,
    workers: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    timeout: str = "5m",
    memory: str = "4GiB",
    anew: bool = False,
    progress: bool = False,
) -> Row:
    """Train your own network as trials of a study, one per seed; returns the row of the most accurate trial.

    ``model`` is ``file.py:NAME``, ``notebook.ipynb:NAME`` or ``package.module:NAME`` (with ``arguments`` for a class or
    a function), an architecture's text, a known network's name, or an nn.Module whose class is in an importable file. A
    module is pickled to the process that trains it, starts from its current weights, and is itself unchanged; since it
    is not stored, the same module is needed to resume or confirm its trial. The study is created if it does not exist;
    an existing one supplies arguments that are not given, except its ``metrics`` file. ``log`` names trackers as in
    ``launch``. ``teacher`` names trained networks (trials, exports) that it learns from in addition to the labels.
    ``timeout`` limits one step of the model's code. An interrupted call is resumed by calling it again. Raises
    UnusableInputError for a network that cannot be trained, and ModelFailedError where its code raises, hangs or
    exceeds ``memory``.
    """
    flags = {
        "epochs": epochs, "data": None if data is None else str(data), "study": study, "storage": str(storage),
        "target": target, "constraints": None if constraints is None else list(constraints), "workers": workers,
        "device": device, "metrics": None if metrics is None else str(metrics),
        "log": None if log is None else list(log),
    }  # fmt: skip
    if seeds < 1:
        raise UnusableInputError(f"seeds is out of range: {seeds}: give 1 or more")
    wanted = Wanted(
        target=_name(model), module=None if isinstance(model, str) else model, arguments=arguments or {}, seeds=seeds,
        timeout=timeout, memory=memory, anew=anew, recipe=None if recipe is None else str(recipe),
        augmentation=augmentation, teacher=teacher,
    )  # fmt: skip
    config = given_launch.as_studied(read_config(None, flags), flags)
    given_launch.check(config, wanted)
    with quiet():
        dataset = warned(datasets.load(config.data))
        with watching(progress) as observe:
            trainings = given_launch.prepare(config, wanted, dataset, observe)
            search_launch.run(trainings.prepared)
        numbers = {trial.number for trial in trainings.trials()}
        errors = trainings.prepared.driver.errors
    if errors:
        raise next(iter(errors.values()))
    board = leaderboard(config.storage, config.study, top=None)
    return next(row for row in board.rows if row.trial in numbers)


def _name(model: str | nn.Module) -> str:
    if isinstance(model, str):
        return model
    from torch import nn

    if not isinstance(model, nn.Module):
        raise UnusableInputError(f"no network: {type(model).__name__}: give a text such as net.py:Net, or an nn.Module")
    return type(model).__name__
