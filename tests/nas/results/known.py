"""Studies with known metrics."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from nas.architecture.spec import ArchitectureError, parse
from nas.search.storage import open_storage
from nas.search.study import CONFIRMED, CURVE, DATA, IDENTITY, REASON, REJECTED, TARGET
from nas.space.analytic import board_metrics
from nas.space.attributes import ARCHITECTURE

EPOCH_SECONDS = 1.25
"""Of every epoch of the made-up trials."""
BEGUN = datetime(2026, 1, 1, 12)
"""When the first of them was proposed; each further one a minute later."""


def add(
    study: optuna.Study,
    accuracies: list[float],
    *,
    params: int = 0,
    state: TrialState = TrialState.COMPLETE,
    network: str = "",
    **attrs: Any,
) -> None:
    """A trial that was trained for as many epochs as ``accuracies`` has.

    Where ``network`` is none, it has ``params``, and 1,000 MACs for each of them.
    """
    number = len(study.get_trials(deepcopy=False))
    curve = [
        {"epoch": e, "loss": 1.0, "val_accuracy": a, "learning_rate": 0.1, "seconds": EPOCH_SECONDS, "images": 64}
        for e, a in enumerate(accuracies, start=1)
    ]
    metrics = {"params": params, "macs": 1_000 * params, "receptive_field": 45 + number}
    with suppress(ArchitectureError):
        metrics = board_metrics(parse(network))
    trial = create_trial(
        state=state,
        value=accuracies[-1] if state == TrialState.COMPLETE else None,
        intermediate_values=dict(enumerate(accuracies, start=1)),
        user_attrs={ARCHITECTURE: network or f"network-{number}", CURVE: curve, **metrics, **attrs},
    )
    trial.datetime_start = BEGUN + timedelta(minutes=number)
    if state.is_finished():
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=EPOCH_SECONDS * len(accuracies))
    study.add_trial(trial)


def known_study(journal: Path) -> optuna.Study:
    """Six trials with known metrics in a journal, and one that never became a network.

    ====  ========  =========  =======  ===========================
    0     complete  0.50       100,000
    1     complete  0.86       150,000  test 0.84 +- 0.01
    2     complete  0.85       120,000  exactly the target
    3     pruned    0.40        50,000
    4     running   no epoch    90,000
    5     failed    0.10        80,000  diverged
    ====  ========  =========  =======  ===========================
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(str(journal), write=True)
    made = optuna.create_study(storage=storage, study_name="known", direction="maximize")
    made.set_user_attr(TARGET, 0.85)
    made.set_user_attr(DATA, "digits")
    made.set_user_attr(REJECTED, {"params < 200k": 7, "receptive_field > 44": 1_200})
    made.set_user_attr(f"{CONFIRMED}1", {"mean": 0.84, "std": 0.01, "seeds": [0, 1]})
    add(made, [0.3, 0.5], params=100_000)
    add(made, [0.6, 0.86], params=150_000)
    add(made, [0.7, 0.85], params=120_000)
    add(made, [0.4], params=50_000, state=TrialState.PRUNED, **{REASON: "below the better half at epoch 1"})
    add(made, [], params=90_000, state=TrialState.RUNNING)
    add(made, [0.1], params=80_000, state=TrialState.FAIL, **{REASON: "diverged: loss is nan in epoch 2"})
    made.add_trial(create_trial(state=TrialState.FAIL))
    return made


PLAIN = "BR/c8-c8-c16s2/c16-c16-c16s2/c16-c16-c24s2/c24d2-dw-pw24-c32/fc"
"""Four stages of three; 3x32x32 in, 4x4 at the end."""
GATED = "BG/c8-c8-c16s2/+c16-+dw.pw16-c16s2/c16-c16-c24s2/c24d2-dw-pw24-c32/conv"
SIZES = {PLAIN: (30_618, 2_989_760), GATED: (28_746, 2_502_336), "BR/c8-c8-c16s2/fc": (2_178, 1_106_080)}
"""Parameters and multiply-accumulates, added up by hand, of the networks of ``network_study``.

A convolution with a norm has in * out * kernel^2 weights (dw: kernel^2 * channels) and 2 * out values of the norm.
"""


def network_study(journal: Path) -> optuna.Study:
    """Two complete trials of PLAIN and GATED with curves, and a running one of PLAIN's first stage before any epoch."""
    study = optuna.create_study(
        storage=open_storage(str(journal), write=True), study_name="networks", direction="maximize"
    )
    identity = {"constraints": ["receptive_field > 44", "params < 200000", "max_pools == 0"], "epochs": 3}
    for name, value in {IDENTITY: identity, DATA: "shapes", TARGET: 0.85}.items():
        study.set_user_attr(name, value)
    add(study, [0.5, 0.75, 0.875], network=PLAIN)
    add(study, [0.25, 0.5, 0.625], network=GATED)
    add(study, [], state=TrialState.RUNNING, network="BR/c8-c8-c16s2/fc")
    return study
