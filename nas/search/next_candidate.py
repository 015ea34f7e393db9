"""Which candidate a free worker trains: what an earlier launch left, the queue, promotions, new proposals."""

from __future__ import annotations

from dataclasses import dataclass

from nas.search.candidate import Candidate
from nas.search.finish import Finish, Turn
from nas.search.pool import Pool
from nas.search.proposals import Proposals
from nas.space.sampler import FeasibleSampler


@dataclass(kw_only=True)
class NextCandidate:
    """Chooses what a free worker trains; a search for confirmed networks decides first where there is one."""

    pool: Pool
    proposals: Proposals
    sampler: FeasibleSampler
    trials: int
    """The trials budget of the study."""
    finish: Finish | None

    @property
    def may_propose(self) -> bool:
        """Whether the budget allows another trial."""
        return self.proposals.count < self.trials

    def choose(self, seconds_left: float) -> Candidate | None:
        """The candidate that a free worker trains; None where there is none at the moment.

        A search for confirmed networks may start a confirmation instead, if ``seconds_left`` are enough for it.
        """
        if self.finish is None:
            return self._usual()
        may_begin = bool(self.proposals.leftover) or (self.may_propose and not self.proposals.exhausted)
        turn = self.finish.turn(may_begin=may_begin, seconds_left=seconds_left)
        if turn is Turn.BEGIN:
            if (begun := self._usual(is_promoting=False)) is not None:
                return begun
            turn = self.finish.turn(may_begin=False, seconds_left=seconds_left)
        if isinstance(turn, Turn):
            return self._usual() if turn is Turn.SEARCH else None
        return turn

    def _usual(self, *, is_promoting: bool = True) -> Candidate | None:
        """First trials an earlier launch left RUNNING, then the queue, promotions and new proposals, if any.

        A candidate whose files could not be written comes last, or before promotions once files can be written again.
        """
        if self.proposals.leftover:
            found = self.proposals.next_leftover(self.sampler)
        else:
            found = None if self.pool.refusals else self.pool.taken_back()
            if found is None and self.may_propose:
                found = self.proposals.waiting(self.sampler)
            if found is None and is_promoting:
                found = self.pool.promoted(is_last=False)
            if found is None and self.may_propose:
                found = self.proposals.new(self.sampler)
        found = found or self.pool.taken_back()
        return self.pool.promoted(is_last=True) if found is None and is_promoting else found
