"""Which precision ``auto`` means in a study: measured by a worker before the first training, then stored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.cpu import cpu_class
from nas.search.engine import MAX_DEATHS, Engine, Placement
from nas.search.study import PRECISIONS

if TYPE_CHECKING:
    import optuna

    from nas.training.precision import Precision

LOOK_SECONDS = 0.5


def precisions(study: optuna.Study, engine: Engine, hold: Callable[[], None]) -> dict[str, Precision]:
    """CPU class -> the precision that ``auto`` means in a study.

    A worker measures it before the first training on a CPU class, and the study stores it, so that all candidates and
    launches use the same. The calling program does not load torch; it calls ``hold`` while it waits. Raises
    UnusableInputError where the workers die.
    """
    known: dict[str, Precision] = dict(study.user_attrs.get(PRECISIONS, {}))
    if cpu_class() not in known:
        name, found = _measured(engine, hold)
        if name not in known:
            known[name] = found
            study.set_user_attr(PRECISIONS, known)
    return known


def measure(placement: Placement) -> tuple[str, Precision]:
    """On a worker: its CPU class, and the faster precision on it."""
    import torch

    from nas.training.precision import resolve

    return cpu_class(), resolve("auto", torch.device("cpu"))


def _measured(engine: Engine, hold: Callable[[], None]) -> tuple[str, Precision]:
    for _ in range(MAX_DEATHS):
        future = engine.submit(measure)
        while not future.done():
            hold()
            engine.wait([future], LOOK_SECONDS)
        try:
            return future.result()
        except BrokenProcessPool:
            continue
    raise UnusableInputError(f"no worker can begin: {MAX_DEATHS} of them died at once: free memory, and launch again")
