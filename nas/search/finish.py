"""Ending a search at a confirmed network: which candidate is trained to the end at once, on all images, and when.

A candidate that is expected over the target need not train to the end on a part of the images before it is confirmed.
So here the search looks for one by its first epochs, and the best goes straight into its confirmation, with all cores:

1. candidates train up to the first rung until FEWEST have, and FOR_EACH_WORKER for each worker;
2. the best quarter of them, FINALISTS at least, train up to the second rung;
3. when nothing trains any more, the one of them with the best forecast (``nas.search.curve_forecast``) is confirmed,
   for the fewest epochs after which it is expected over the target. Where even a whole training would not do, more
   candidates begin. Those of the first rung alone do not compete: the best of many first epochs was lucky as well;
4. after MOST_ROUNDS times as many the search is the usual one, and looks for such a candidate at every turn.

Validation alone decides which network is confirmed: no test accuracy changes a forecast. The test set is opened once,
after the last epoch, and says whether the search is at its goal. A network that misses the target stays confirmed, and
the search continues; from the first miss on, whatever it missed by, a confirmation trains as long as a candidate may.
What is under way is kept in the study: the next launch resumes it from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial

from nas.search import contenders
from nas.search.budget import Budget
from nas.search.candidate import Candidate, State
from nas.search.confirm import confirmation_of, task_of
from nas.search.confirmation import Confirmation, add, confirmations
from nas.search.contenders import Contender
from nas.search.curve_forecast import CurveForecast
from nas.search.engine import Engine
from nas.search.epochs_ahead import EpochsAhead
from nas.search.finalist_job import FinalistJob
from nas.search.measure import images_of
from nas.search.pool import Pool
from nas.search.study import CONFIRMED, FINALIST, MALFORMED, VALIDATION_IMAGES, WON, Described
from nas.search.trial_store import counts, is_finished, is_given
from nas.space.attributes import BROKEN

if TYPE_CHECKING:
    from nas.training.feed import Feed
    from nas.training.precision import Precision
    from nas.training.recipes import Recipe

SEED = 0
"""Of the training that confirms; ``confirm --seeds`` adds others."""
FEWEST = 8
FOR_EACH_WORKER = 4
MOST_ROUNDS = 3
FINALISTS = 2
QUARTER = 4
"""One in so many of those that came to the first rung trains up to the second."""
RESERVE = 2
"""Epochs before the last moment at which the time suffices for a confirmation, from which on none is waited for."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a search ends at: ``count`` networks that are confirmed over the target."""

    count: int
    feed: Feed
    """The whole training set; the test set judges."""
    recipe: Callable[[int, Mapping[str, Any]], Recipe | None]
    """That of a training of so many epochs, with what a trial's parameters tune of it."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """A confirmation that is under way, as the study keeps it."""

    trial: int
    epochs: int
    threads: int | None = None
    """Those that train it; None where that was not kept."""


class Step(Enum):
    """What a free worker does."""

    SEARCH = "search"
    """What it does in any search."""
    BEGIN = "begin"
    """Begin a candidate; none is promoted."""
    WAIT = "wait"
    """Nothing."""


@dataclass(kw_only=True)
class Finish:
    """Decides which network of a study is confirmed, and has that done."""

    goal: Goal
    pool: Pool
    engine: Engine
    budget: Budget
    folder: Path
    """That of the study's files."""
    notes: list[str]
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    job: FinalistJob | None = None
    ahead: EpochsAhead | None = None
    """What the job reads next."""
    known: dict[int, Confirmation] = field(default_factory=dict)
    """What was confirmed, by trial: that of the longest training."""
    over: list[int] = field(default_factory=list)
    """The trials whose networks are confirmed over the target."""
    failed: set[int] = field(default_factory=set)
    """Those whose confirmations failed in this launch."""
    _due: Due | None = None
    """What an earlier launch was confirming."""
    _is_missed: bool = False
    """Whether a network of the search was confirmed and is not over the target."""
    _complete: dict[int, Contender] = field(default_factory=dict)
    _images: int = 0
    _forecast: CurveForecast = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is confirmed yet."""
        measure, labels = self.pool.objectives.measure, self.goal.feed.dataset.test_labels
        self._forecast = CurveForecast(epochs=self.budget.epochs, test_images=images_of(measure, labels))

    @property
    def target(self) -> float:
        """What a test accuracy must exceed."""
        assert self.budget.target is not None
        return self.budget.target

    @property
    def futures(self) -> list[Future[Any]]:
        """What is waited for."""
        return [self.job.future] if self.job else []

    @property
    def is_under_way(self) -> bool:
        """Whether a confirmation has begun and is not over."""
        return self.job is not None or self._due is not None

    @property
    def tried(self) -> set[int]:
        """The trials that are not confirmed again: those over the target, and those that a whole training confirmed.

        A person may have confirmed others by fewer epochs than any that the search would choose.
        """
        fewest = self._forecast.fewest
        return {n for n, one in self.known.items() if self._is_over(n) or one.epochs >= fewest}

    def ends_due(self) -> bool:
        """End the trial of a confirmation that was over before its end was stored whole; whether there was one."""
        study = self.pool.store.study
        due = _due(study.user_attrs.get(FINALIST))
        if due is None or all(one.epochs != due.epochs for one in confirmations(study, due.trial)):
            return False
        self._leave_job()
        self._end(due.trial, epochs=due.epochs, threads=due.threads)
        return True

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
        self._due = _due(attrs.get(FINALIST))

    def ended(self) -> str | None:
        """How the search ended; None as long as it is not at its goal."""
        if len(self.over) < self.goal.count:
            return None
        self.pool.store.set_won(self.over)
        return f"the target is met: {'; '.join(self._sentence(number) for number in self.over)}"

    def completed(self, candidate: Candidate) -> None:
        """The search itself trained a candidate to the end."""
        self._complete[candidate.trial.number] = self._contender(candidate)

    def step(self, *, may_begin: bool, seconds_left: float) -> Step | Candidate:
        """What a free worker does; where that is to train a candidate up to the second rung, that candidate.

        May begin a confirmation, of which no worker is free.
        """
        if self.job or self._resumes():
            return Step.WAIT
        levels, training = self.pool.halving.levels, self.pool.of(State.TRAINING)
        reached = self.pool.halving.count(levels[0])
        begun = reached + sum(len(candidate.curve) < levels[0] for candidate in training)
        enough = max(FEWEST, FOR_EACH_WORKER * self.engine.slots)
        is_first_round = may_begin and begun < enough
        finalists = max(FINALISTS, self.engine.slots, reached // QUARTER)
        if not is_first_round and (finalist := self.pool.leader(levels[0], finalists)) is not None:
            return finalist
        if self._chooses(is_first_round=is_first_round, seconds_left=seconds_left):
            return Step.WAIT
        second = self._second
        if not is_first_round and any(levels[0] <= len(candidate.curve) < second for candidate in training):
            return Step.WAIT
        return Step.BEGIN if may_begin and begun < MOST_ROUNDS * enough else Step.SEARCH

    @property
    def _second(self) -> int:
        """Epochs of the second rung, of one rung its own."""
        return self.pool.halving.levels[:2][-1]

    def _resumes(self) -> bool:
        """Whether there is a confirmation to resume; it begins once nothing else trains."""
        if self._due is None:
            return False
        found = next((one for one in self._contenders() if one.trial == self._due.trial), None)
        if found is None:  # its files are gone, and it trains anew
            self.pool.store.set_finalist({})
            self._due = None
        elif not self.pool.of(State.TRAINING):
            self._begin(found, self._due.epochs)
        return found is not None

    def _chooses(self, *, is_first_round: bool, seconds_left: float) -> bool:
        """Whether a network is to be confirmed now; that begins once nothing else trains."""
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
        """Whether a confirmation that does not begin now may not end in time."""
        needed = best.seconds(length)
        return needed <= seconds_left < needed + RESERVE * best.epoch_seconds

    def begin_last(self) -> bool:
        """Confirm the best complete ones, as many as was asked for, where nothing is left to do.

        What was confirmed before is none of them, unless it is one of the best. Where fewer are complete, those that
        wait at a rung stand in.
        """
        untried, count = self._untried(), self.goal.count
        last = contenders.ranked(self._complete.values(), self._forecast)[:count]
        left = [one for one in last if one in untried]
        if not left and len(self.tried | self.failed) < count:
            left = contenders.ranked(untried, self._forecast)
        if left:
            self._begin(left[0], self._length(left[0]) or self.budget.epochs)
        return bool(left)

    def collect(self) -> None:
        """Store what the confirmation came to, where it is over."""
        if self.job is None:
            return
        if not self.job.future.done():
            if self.ahead:
                self.ahead.look(self.job.done)
            return
        outcome = self.job.outcome()
        if outcome is None:
            return
        number, task = self.job.trial, self.job.task
        if outcome.reason:
            self._give_up(number, outcome.reason)
        else:
            study, measure = self.pool.store.study, self.pool.objectives.measure
            self.known[number] = add(study, confirmation_of(number, SEED, task, outcome, measure))
            self._end(number, epochs=task.epochs, threads=task.threads)
            self.survey(self.pool.store.trials())
            self.notes.append(self._sentence(number) + ("" if number in self.over else ": the search continues"))
        self._leave_job()

    def _leave_job(self) -> None:
        """Have the workers free of the confirmation that is over."""
        if self.ahead:
            self.ahead.end()
        self.job = self.ahead = None

    def _begin(self, best: Contender, epochs: int) -> None:
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
        expected = 1 - self._forecast.error(best.seen, epochs)
        self.notes.append(
            f"trial {best.trial} has {best.seen.accuracy:.2%} after {_count(best.seen.epochs, 'epoch')}: it is "
            f"confirmed by {_count(epochs, 'epoch')} on all training images with {_count(threads, 'thread')}; "
            f"forecast: {expected:.2%} of the test images"
        )

    def _end(self, number: int, *, epochs: int, threads: int | None) -> None:
        """Complete the trial of a confirmed network, whose training is over."""
        self.pool.finish(number, epochs=epochs, threads=threads)
        self.pool.store.set_finalist({})
        self._due = None

    def _give_up(self, number: int, reason: str) -> None:
        self.failed.add(number)
        self.notes.append(f"trial {number} cannot be confirmed: {reason}")
        if (candidate := self.pool.members.get(number)) is not None:
            self.pool.fail(candidate, f"its confirmation: {reason}")
        self.pool.store.set_finalist({})
        self._due = None

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
        low, high = one.mean - one.half_width, one.mean + one.half_width
        return (
            f"trial {number} is confirmed at {one.mean:.2%} {one.measure.replace('_', ' ')} of {one.test_images:,} "
            f"test images ({_count(one.epochs, 'epoch')} on all training images; 95%: {low:.2%} to {high:.2%}), "
            f"{'' if self._is_over(number) else 'not '}over {self.target:.2%}"
        )


def is_any_over(study: Described, trials: Iterable[FrozenTrial], target: float) -> bool:
    """Whether a search that ends at confirmed networks would end at one of the trials that one has confirmed."""
    won = study.user_attrs.get(WON, ())
    chosen = [trial.number for trial in trials if counts(trial) and (is_finished(trial) or trial.number in won)]
    return any(one.mean > target for number in chosen for one in confirmations(study, number)[:1])


def _due(table: Any) -> Due | None:
    """The confirmation that the study says is under way, if any."""
    try:
        threads = table.get("threads") if table else None
        known = None if threads is None else int(threads)
        return Due(trial=int(table["trial"]), epochs=int(table["epochs"]), threads=known) if table else None
    except MALFORMED:
        return None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
