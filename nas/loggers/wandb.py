"""Weights & Biases: a project with one group per study and one run per trial."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import wandb

from constraints.errors import UnusableInputError
from nas.loggers.tracker import TrialRun

PROJECT = "nas"


class WeightsAndBiases:
    """Writes to the project ``project`` of the account that ``wandb login`` chose, or as ``WANDB_MODE`` says.

    Offline (``WANDB_MODE=offline``), each launch writes the whole curve of a trial that it resumes, under the id of
    that trial, because what an earlier launch wrote cannot be read.
    """

    def __init__(self, project: str) -> None:
        """``project`` may be empty, for the project ``nas``."""
        self._project = project or PROJECT
        if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False):
            raise UnusableInputError("no account: wandb: run wandb login first, or set WANDB_MODE=offline")
        self._runs: dict[int, Any] = {}

    @property
    def place(self) -> str:
        """The project, and the command that uploads what is only stored locally."""
        where = f"in the project {self._project}"
        if wandb.setup().settings.mode != "offline":
            return where
        return f"{where}, offline: wandb sync wandb/offline-run-* sends it"

    def begin(self, run: TrialRun) -> int:
        """Open or resume the run whose id follows from study and trial."""
        key = hashlib.sha256(f"{run.identity} {run.number}".encode()).hexdigest()[:16]
        opened = self._runs[run.number] = wandb.init(
            project=self._project,
            group=run.study,
            name=run.name,
            id=key,
            resume="allow",
            reinit="create_new",
            config={**run.parameters, **run.metrics},
            settings=wandb.Settings(
                silent=True,
                disable_git=True,
                save_code=False,
                disable_code=True,
                console="off",
                x_disable_meta=True,  # it holds the command line, in which --storage may have a password
            ),
        )
        return max(opened.step - 1, 0)  # the next step, if the run was resumed

    def epoch(self, number: int, step: int, values: Mapping[str, float]) -> None:
        """Add the epoch to the run's history."""
        self._runs[number].log(dict(values), step=step)

    def end(self, number: int, state: str, reason: str) -> None:
        """End the run; state and reason are in its summary."""
        self._runs[number].summary.update({"state": state, "reason": reason})
        self._runs[number].finish(exit_code=int(state == "failed"))

    def close(self) -> None:
        """End every open run; a later launch may resume it."""
        for run in self._runs.values():
            run.finish()
