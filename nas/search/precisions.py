"""What the precision ``auto`` is in a study: measured by a worker before the first training, then kept."""

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
    """What the precision ``auto`` is in a study, by CPU class.

    A worker measures it before the first training on a CPU of its class, and the study keeps it: all candidates and all
    launches agree on it, whatever a later measurement would say. The program that asks loads no torch for it; ``hold``
    is called meanwhile. Raises UnusableInputError where the workers die of it.
    """
    known: dict[str, Precision] = dict(study.user_attrs.get(PRECISIONS, {}))
    if cpu_class() not in known:
        name, found = _measured(engine, hold)
        if name not in known:
            known[name] = found
            study.set_user_attr(PRECISIONS, known)
    return known


def measure(placement: Placement) -> tuple[str, Precision]:
    """On a worker: its CPU class, and what trains faster on it."""
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
