"""Progress of the confirmation that a running search trains, and a forecast of its end from measured speeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.results.numbers import duration, seconds_text
from nas.search.pace import STEPS, StepTimes, read_steps
from nas.search.worker import PROGRESS, read_progress

if TYPE_CHECKING:
    from nas.search.driver import Driver


@dataclass(frozen=True, kw_only=True)
class Confirming:
    """The confirmation in progress."""

    trial: int
    done: int
    """Epochs that are finished."""
    epochs: int
    epoch_seconds: float | None
    """Seconds of the last epoch, or extrapolated from the batches of the first; None where not known yet."""
    to_end: float | None
    """Seconds until its last epoch is finished; the evaluation on the test images follows."""

    @property
    def counts(self) -> str:
        """Which trial it is of, and its finished epochs, in words."""
        return f"confirm trial {self.trial}: {self.done} of {self.epochs} epochs"

    def text(self, seconds_left: float) -> str:
        """Its progress and the time that it still takes, in words; ``seconds_left`` are those of the time limit."""
        parts = [self.counts]
        if self.epoch_seconds is not None:
            parts.append(f"{seconds_text(self.epoch_seconds)} per epoch")
        if self.to_end is not None:
            is_cut = self.to_end > seconds_left
            end = f"needs {duration(self.to_end)}, the limit is in {duration(seconds_left)}"
            parts.append(end if is_cut else f"end in about {duration(self.to_end)}")
        return ", ".join(parts)


def confirming(driver: Driver) -> Confirming | None:
    """The confirmation that a search is training; None where it trains none."""
    if driver.finish is None or (job := driver.finish.job) is None:
        return None
    folder, epochs = job.task.folder, job.task.epochs
    curve, steps = read_progress(folder), _current_steps(folder)
    seconds = float(curve[-1]["seconds"]) if curve else steps.epoch_seconds if steps else None
    trained = len(curve) + (steps.done / steps.total if steps else 0.0)
    return Confirming(
        trial=job.trial,
        done=len(curve),
        epochs=epochs,
        epoch_seconds=seconds,
        to_end=None if seconds is None else max(epochs - trained, 0.0) * seconds,
    )


def _current_steps(folder: Path) -> StepTimes | None:
    """The batches of the running epoch; None where those of the epoch before are the last ones written."""
    try:
        is_current = (folder / STEPS).stat().st_mtime_ns > (folder / PROGRESS).stat().st_mtime_ns
    except OSError:  # there is no epoch yet, or no batch
        is_current = True
    return read_steps(folder) if is_current else None
