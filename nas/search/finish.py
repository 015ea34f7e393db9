"""Ends a search with a confirmed network: which candidate is trained to the end on all images, and when.

A candidate that is expected to exceed the target need not finish training on a part of the images before it is
confirmed. So candidates are compared by their first epochs, and the best is confirmed directly, with all cores:

1. candidates train up to the first rung until FEWEST have, and FOR_EACH_WORKER for each worker;
2. the best quarter of them, at least FINALISTS, train up to the second rung;
3. when nothing trains any more, the one of them with the best forecast (``nas.search.curve_forecast``) is confirmed,
for the fewest epochs after which it is expected over the target. Where no training is long enough, more candidates
start. Those that reached only the first rung do not compete: the best of many first epochs is partly luck;
4. after MOST_ROUNDS times as many candidates, the normal search continues, and looks for such a candidate every turn.

Only validation accuracy decides which network is confirmed: no test accuracy changes a forecast. The test set is opened
once, after the last epoch, and decides whether the search has reached its goal. A network that misses the target stays
confirmed, and the search continues; after the first miss, every confirmation trains for the full epoch budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from optuna.trial import FrozenTrial

from nas.search import contenders
from nas.search.budget import Budget
from nas.search.candidate import Candidate, State
from nas.search.confirmation import Confirmation, confirmations
from nas.search.contenders import Contender
from nas.search.curve_forecast import CurveForecast
from nas.search.engine import Engine
from nas.search.finalist import Finalist
from nas.search.finalist_job import FinalistJob
from nas.search.measure import images_of
from nas.search.pool import Pool
from nas.search.study import CONFIRMED, VALIDATION_IMAGES
from nas.search.trial_store import is_given
from nas.space.attributes import BROKEN
from nas.words import counted

FEWEST = 8
FOR_EACH_WORKER = 4
MOST_ROUNDS = 3
FINALISTS = 2
QUARTER = 4
"""One in this many of the candidates that reached the first rung trains up to the second."""
RESERVE = 2
"""Safety margin in epochs: the wait for candidates ends this long before it is too late for a confirmation."""


class Turn(Enum):
    """The next action of a free worker."""

    SEARCH = "search"
    """The same as in any search."""
    BEGIN = "begin"
    """Start a new candidate; none is promoted."""
    WAIT = "wait"
    """Nothing."""


@dataclass(kw_only=True)
class Finish:
    """Decides which network of a study is confirmed, and when."""

    finalist: Finalist
    """Runs the confirmations."""
    pool: Pool
    engine: Engine
    budget: Budget
    notes: list[str]
    known: dict[int, Confirmation] = field(default_factory=dict)
    """Confirmations by trial number, of the longest training each."""
    over: list[int] = field(default_factory=list)
    """The trials whose networks were confirmed over the target."""
    failed: set[int] = field(default_factory=set)
    """The trials whose confirmations failed in this launch."""
    _is_missed: bool = False
    """Whether a network of the search was confirmed below the target."""
    _complete: dict[int, Contender] = field(default_factory=dict)
    _images: int = 0
    _forecast: CurveForecast = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is confirmed yet."""
        measure, labels = self.pool.objectives.measure, self.finalist.goal.feed.dataset.test_labels
        self._forecast = CurveForecast(epochs=self.budget.epochs, test_images=images_of(measure, labels))

    @property
    def target(self) -> float:
        """What a test accuracy must exceed."""
        assert self.budget.target is not None
        return self.budget.target

    @property
    def job(self) -> FinalistJob | None:
        """The confirmation that this launch is running, if any."""
        return self.finalist.job

    @property
    def futures(self) -> list[Future[Any]]:
        """The results that the driver waits for."""
        return [*self.finalist.futures]

    @property
    def is_under_way(self) -> bool:
        """Whether a confirmation is in progress."""
        return self.finalist.is_under_way

    @property
    def tried(self) -> set[int]:
        """The trials that are not confirmed again: those over the target, and those confirmed by a full training.

        The user may have confirmed others with fewer epochs than the search would choose.
        """
        fewest = self._forecast.fewest
        return {n for n, one in self.known.items() if self._is_over(n) or one.epochs >= fewest}

    def survey(self, trials: Sequence[FrozenTrial]) -> None:
        """Read what the study holds."""
        study = self.pool.store.study
        attrs = study.user_attrs
        self._images = int(attrs.get(VALIDATION_IMAGES, 0))
        numbers = sorted(int(name.removeprefix(CONFIRMED)) for name in attrs if name.startswith(CONFIRMED))
        self.known = {n: found[0] for n in numbers if n < len(trials) and (found := confirmations(study, n))}
        self.over = [n for n in self.known if self._is_over(n) and not trials[n].user_attrs.get(BROKEN)]
        self._complete = contenders.of_trials(trials, self._images)
        self._is_missed = any(not self._is_over(n) and not is_given(trials[n]) for n in self.tried)
        self.finalist.survey()

    def ended(self) -> str | None:
        """Why the search ended; None while its goal is not reached."""
        if len(self.over) < self.finalist.goal.count:
            return None
        self.pool.store.set_won(self.over)
        return f"the target is met: {'; '.join(self._sentence(number) for number in self.over)}"

    def completed(self, candidate: Candidate) -> None:
        """Handle a candidate that the search itself trained to the end."""
        self._complete[candidate.trial.number] = self._contender(candidate)

    def turn(self, *, may_begin: bool, seconds_left: float) -> Turn | Candidate:
        """The next action of a free worker: a Turn, or a candidate to train up to the second rung.

        May start a confirmation, which uses all workers.
        """
        if self.job or self._resumes():
            return Turn.WAIT
        levels, training = self.pool.halving.levels, self.pool.of(State.TRAINING)
        reached = self.pool.halving.count(levels[0])
        begun = reached + sum(len(candidate.curve) < levels[0] for candidate in training)
        enough = max(FEWEST, FOR_EACH_WORKER * self.engine.slots)
        is_first_round = may_begin and begun < enough
        finalists = max(FINALISTS, self.engine.slots, reached // QUARTER)
        if not is_first_round and (finalist := self.pool.leader(levels[0], finalists)) is not None:
            return finalist
        if self._chooses(is_first_round=is_first_round, seconds_left=seconds_left):
            return Turn.WAIT
        second = self._second
        if not is_first_round and any(levels[0] <= len(candidate.curve) < second for candidate in training):
            return Turn.WAIT
        return Turn.BEGIN if may_begin and begun < MOST_ROUNDS * enough else Turn.SEARCH

    @property
    def _second(self) -> int:
        """Epochs of the second rung; where there is only one, of that one."""
        return self.pool.halving.levels[:2][-1]

    def _resumes(self) -> bool:
        """Whether there is a confirmation to resume; starts it once nothing else trains."""
        if (due := self.finalist.due) is None:
            return False
        found = next((one for one in self._contenders() if one.trial == due.trial), None)
        if found is None:  # its files are gone, and it trains from scratch
            self.finalist.forget()
        elif not self.pool.of(State.TRAINING):
            self._begin(found, due.epochs)
        return found is not None

    def _chooses(self, *, is_first_round: bool, seconds_left: float) -> bool:
        """Whether a network is to be confirmed now; starts that once nothing else trains."""
        untried = self._untried()
        ripe = [] if is_first_round else [one for one in untried if one.seen.epochs >= self._second]
        best, length = self._best(ripe)
        if best is None or length is None:
            best, length = self._best(untried)
            if best is None or length is None or not self._is_last_moment(best, length, seconds_left):
                return False
        if not self.pool.of(State.TRAINING):
            self._begin(best, length)
        return True

    @staticmethod
    def _is_last_moment(best: Contender, length: int, seconds_left: float) -> bool:
        """Whether a confirmation must start now to end in time."""
        needed = best.seconds(length)
        return needed <= seconds_left < needed + RESERVE * best.epoch_seconds

    def begin_last(self) -> bool:
        """Where nothing is left to do, confirm the best complete trials, as many as were asked for.

        Earlier confirmations count only where they are of one of the best. Where fewer trials are complete, candidates
        that wait at a rung are confirmed in their place.
        """
        untried, count = self._untried(), self.finalist.goal.count
        last = contenders.ranked(self._complete.values(), self._forecast)[:count]
        left = [one for one in last if one in untried]
        if not left and len(self.tried | self.failed) < count:
            left = contenders.ranked(untried, self._forecast)
        if left:
            self._begin(left[0], self._length(left[0]) or self.budget.epochs)
        return bool(left)

    def collect(self) -> None:
        """Store the result of the confirmation if it has finished."""
        outcome, job = self.finalist.outcome(), self.job
        if outcome is None or job is None:
            return
        if outcome.reason:
            self.failed.add(job.trial)
            self.finalist.give_up(outcome.reason)
        else:
            self.finalist.store(outcome)
            self.survey(self.pool.store.trials())
            self.notes.append(self._sentence(job.trial) + ("" if job.trial in self.over else ": the search continues"))
        self.finalist.leave()

    def _begin(self, best: Contender, epochs: int) -> None:
        self.finalist.begin(best, epochs, expected=1 - self._forecast.error(best.seen, epochs))

    def _best(self, those: Sequence[Contender]) -> tuple[Contender | None, int | None]:
        """The best of some contenders, and the epochs after which it is expected over the target."""
        best = next(iter(contenders.ranked(those, self._forecast)), None)
        return best, self._length(best) if best else None

    def _length(self, one: Contender) -> int | None:
        length = self._forecast.length(one.seen, self.target)
        return self.budget.epochs if length and self._is_missed else length

    def _untried(self) -> list[Contender]:
        tried = self.tried | self.failed
        return [one for one in self._contenders() if one.trial not in tried]

    def _contenders(self) -> list[Contender]:
        paused = [self._contender(one) for one in self.pool.of(State.PAUSED) if one.curve]
        return [*self._complete.values(), *paused]

    def _contender(self, candidate: Candidate) -> Contender:
        return contenders.of_candidate(candidate, self.pool.objectives.score(candidate.curve[-1]), self._images)

    def _is_over(self, number: int) -> bool:
        return self.known[number].mean > self.target

    def _sentence(self, number: int) -> str:
        one = self.known[number]
        low, high = one.interval
        return (
            f"trial {number} is confirmed at {one.mean:.2%} {one.measure.replace('_', ' ')} of {one.test_images:,} "
            f"test images ({counted(one.epochs, 'epoch')} on all training images; 95%: {low:.2%} to {high:.2%}), "
            f"{'' if self._is_over(number) else 'not '}over {self.target:.2%}"
        )
