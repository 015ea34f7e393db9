"""The confirmation of a finalist: one training on all images with all cores, restarted if its worker dies."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from constraints.errors import ConstraintError, KilledError, with_type
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.pace import forget_steps
from nas.search.pool import MOST_REFUSALS
from nas.search.worker import Confirmed, Task, confirm_candidate, read_progress
from nas.training.errors import SharedFaultError


@dataclass(kw_only=True)
class FinalistJob:
    """The training of ``task``, which confirms ``trial``."""

    trial: int
    task: Task
    engine: Engine
    deaths: int = 0
    refusals: int = 0
    future: Future[Confirmed] = field(init=False)

    def __post_init__(self) -> None:
        """Start it, or resume it from its checkpoint."""
        self._submit()

    @property
    def done(self) -> int:
        """Epochs trained so far."""
        return len(read_progress(self.task.folder))

    def outcome(self) -> Confirmed | None:
        """The result of a finished training, with the reason if it failed; None where it was restarted.

        Raises OSError where its files cannot be written, MOST_REFUSALS times, and SharedFaultError.
        """
        try:
            return self.future.result()
        except SharedFaultError:
            raise
        except (BrokenProcessPool, KilledError):
            self.deaths += 1
            if self.deaths >= MAX_DEATHS:
                return _failed(f"its worker died {self.deaths} times")
        except OSError:
            self.refusals += 1
            if self.refusals >= MOST_REFUSALS:
                raise
        except ConstraintError as error:
            return _failed(str(error))
        except Exception as error:
            return _failed(with_type(error))
        self._submit()
        return None

    def _submit(self) -> None:
        forget_steps(self.task.folder)
        self.future = self.engine.submit(confirm_candidate, self.task)


def _failed(reason: str) -> Confirmed:
    return Confirmed(curve=(), test_accuracy=None, reason=reason)
