"""The network that is being confirmed: starts or resumes its training, follows it, and ends its trial.

The confirmation in progress is stored in the study: the next launch resumes it from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.search.budget import Goal
from nas.search.confirmation import add, confirmations
from nas.search.contenders import Contender
from nas.search.engine import Engine
from nas.search.epochs_ahead import EpochsAhead
from nas.search.finalist_job import FinalistJob
from nas.search.pool import Pool
from nas.search.retraining import confirmation_of, task_of
from nas.search.study import FINALIST, MALFORMED
from nas.search.worker import Confirmed
from nas.words import counted

if TYPE_CHECKING:
    from nas.training.precision import Precision

SEED = 0
"""The seed of the confirmation; ``confirm --seeds`` adds others."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """A confirmation in progress, as stored in the study."""

    trial: int
    epochs: int
    threads: int | None = None
    """Threads that train it; None where they were not stored."""


@dataclass(kw_only=True)
class Finalist:
    """Runs at most one confirmation at a time, with all cores."""

    goal: Goal
    pool: Pool
    engine: Engine
    folder: Path
    """The folder of the study's files."""
    notes: list[str]
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    job: FinalistJob | None = None
    ahead: EpochsAhead | None = None
    """Makes the epochs that the job reads next."""
    due: Due | None = None
    """The confirmation that an earlier launch left unfinished."""

    @property
    def futures(self) -> list[Future[Confirmed]]:
        """The results that the driver waits for."""
        return [self.job.future] if self.job else []

    @property
    def is_under_way(self) -> bool:
        """Whether a confirmation is in progress."""
        return self.job is not None or self.due is not None

    def survey(self) -> None:
        """Read from the study which confirmation is in progress."""
        self.due = self._stored()

    def ends_due(self) -> bool:
        """End the trial of a confirmation that finished before its result was fully stored; whether there was one."""
        study, due = self.pool.store.study, self._stored()
        if due is None or all(one.epochs != due.epochs for one in confirmations(study, due.trial)):
            return False
        self.leave()
        self._end(due.trial, epochs=due.epochs, threads=due.threads)
        return True

    def begin(self, best: Contender, epochs: int, *, expected: float) -> None:
        """Start or resume training a network for ``epochs``, after which its ``expected`` accuracy is forecast."""
        threads = self.engine.threads(1)
        task = task_of(
            best.trained,
            SEED,
            feed=self.goal.feed,
            epochs=epochs,
            folder=self.folder,
            recipe=self.goal.recipe(epochs, best.params),
            precisions=self.precisions,
            threads=threads,
        )
        self.pool.store.set_finalist({"trial": best.trial, "epochs": epochs, "threads": threads})
        if (candidate := self.pool.members.get(best.trial)) is not None:
            self.pool.store.add_why(candidate.trial, f"best forecast at epoch {best.seen.epochs}: it is confirmed")
        self.job = FinalistJob(trial=best.trial, task=task, engine=self.engine)
        self.ahead = EpochsAhead(engine=self.engine, feed=task.feed, epochs=epochs)
        self.notes.append(
            f"trial {best.trial} has {best.seen.accuracy:.2%} after {counted(best.seen.epochs, 'epoch')}: it is "
            f"confirmed by {counted(epochs, 'epoch')} on all training images with {counted(threads, 'thread')}; "
            f"forecast: {expected:.2%} of the test images"
        )

    def outcome(self) -> Confirmed | None:
        """The result of the training, with the reason if it failed; None where there is none or it still runs."""
        if self.job is None:
            return None
        if self.job.future.done():
            return self.job.outcome()
        if self.ahead:
            self.ahead.look(self.job.done)
        return None

    def store(self, outcome: Confirmed) -> None:
        """Store the result of a confirmation in the study, and complete the trial of its network."""
        assert self.job is not None
        task, measure = self.job.task, self.pool.objectives.measure
        add(self.pool.store.study, confirmation_of(self.job.trial, SEED, task, outcome, measure))
        self._end(self.job.trial, epochs=task.epochs, threads=task.threads)

    def give_up(self, reason: str) -> None:
        """Note that a network cannot be confirmed, and fail its candidate if that has not ended."""
        assert self.job is not None
        number = self.job.trial
        self.notes.append(f"trial {number} cannot be confirmed: {reason}")
        if (candidate := self.pool.members.get(number)) is not None:
            self.pool.fail(candidate, f"its confirmation: {reason}")
        self.forget()

    def leave(self) -> None:
        """Free the workers of a finished confirmation."""
        if self.ahead:
            self.ahead.end()
        self.job = self.ahead = None

    def forget(self) -> None:
        """Store in the study that no confirmation is in progress."""
        self.pool.store.set_finalist({})
        self.due = None

    def _stored(self) -> Due | None:
        """The confirmation in progress that the study stores, if any: of one of its trials."""
        due = _due(self.pool.store.study.user_attrs.get(FINALIST))
        return due if due and 0 <= due.trial < len(self.pool.store.trials()) and due.epochs > 0 else None

    def _end(self, number: int, *, epochs: int, threads: int | None) -> None:
        self.pool.finish(number, epochs=epochs, threads=threads)
        self.forget()


def _due(table: Any) -> Due | None:
    """The confirmation that a study's table describes, if any."""
    try:
        threads = table.get("threads") if table else None
        known = None if threads is None else int(threads)
        return Due(trial=int(table["trial"]), epochs=int(table["epochs"]), threads=known) if table else None
    except MALFORMED:
        return None
