"""Search for the smallest changes that fix failing constraints: for each rule separately, then for all together."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, islice

from constraints.edit_code import inserted_lines
from constraints.edits import Change, without_overwritten, words
from constraints.findings import FixAll
from constraints.fix_sentences import FixSentences, limits
from constraints.fix_trials import FixOutcome, Trials
from constraints.general_advice import advice

_FIXES_PER_RULE = 3
_TRACES = 64
"""Number of traces for changes that fix single rules; the same number again for those that fix all rules."""
_TRACES_ONCE_FOUND = 12
_BRANCHES = 3
_WEIGHT_OF_AN_EDIT = 0.25
"""Weight of an edit, compared with that of a failing rule, in choosing what to try next."""


@dataclass(frozen=True, kw_only=True)
class Fixes:
    """What a search for fixes has found so far."""

    sentences: Mapping[int, tuple[str, ...]]
    """Index of a failing verdict -> at most three changes that fix it, smallest first, or one general advice."""
    together: FixAll | None = None
    """The smallest set of edits found that makes every constraint hold."""
    change: Change = ()
    """The same set as a ``Change``."""
    cut: str = ""
    """Why the search was cut short, in words; empty if it was not."""


@dataclass(frozen=True, kw_only=True)
class FixSearch:
    """State of the search: the fixes found for each failing verdict (by its index), and what was tried."""

    trials: Trials
    failing: Sequence[int]
    tried: dict[int, int] = field(default_factory=dict)
    """The number of changes tried for each verdict."""
    found: dict[int, list[str]] = field(default_factory=dict)
    """The fixes for each verdict among the changes tried for it."""

    @cached_property
    def sentences(self) -> FixSentences:
        """Makes the sentences about changes."""
        return FixSentences(model=self.trials.model, traced=self.trials.traced, verdicts=self.trials.verdicts)

    def run(self) -> Iterator[FixOutcome | None]:
        """Run the search step by step; yields each smaller set of edits that makes every constraint hold."""
        self.found.update({i: [] for i in self.failing})
        self.tried.update(dict.fromkeys(self.failing, 0))
        best: FixOutcome | None = None
        for outcome in self._each_rule():
            if outcome and not outcome.failing and _smaller(outcome, best):
                best = outcome
            yield best
        # no edit is known to fix an unknown metric
        is_known = all(v.ok or v.value is not None for v in self.trials.verdicts)
        if is_known and (best is None or len(best.change) > 1):
            yield from self._all_at_once(best)

    def fixes(self, together: FixOutcome | None, cut: str = "") -> Fixes:
        """The results so far."""
        sentences = {i: tuple(self.found[i]) or self._of_others(i) or self._general(i) for i in self.failing}
        if together is None:
            return Fixes(sentences=sentences, cut=cut)
        whole = FixAll(
            text=self.sentences.together(together, self.failing),
            edits=tuple(words((e,), self.sentences.others) for e in together.change),
            code=inserted_lines(self.trials.model, together.change),
        )
        return Fixes(sentences=sentences, together=whole, change=together.change, cut=cut)

    def _each_rule(self) -> Iterator[FixOutcome | None]:
        """A change for each failing verdict in turn, until each has enough fixes or nothing more to try."""
        most = max(_TRACES // len(self.failing), _FIXES_PER_RULE)
        left = {i: islice(self.trials.changes(self.trials, i), most) for i in self.failing}
        while left:
            for i, offered in list(left.items()):
                change = next(offered, None)
                if change is None:
                    del left[i]
                    continue
                self.tried[i] += 1
                outcome = self.trials.outcome(change)
                if outcome and self.trials.fixes(outcome, i):
                    self._keep(i, self.sentences.alone(outcome, i))
                if len(self.found[i]) == _FIXES_PER_RULE:
                    del left[i]
                yield outcome

    def _keep(self, index: int, sentence: str) -> None:
        if sentence not in self.found[index]:
            self.found[index].append(sentence)

    def _all_at_once(self, best: FixOutcome | None) -> Iterator[FixOutcome | None]:
        """First the fewest edits that fix each rule separately; if they fail together, a best-first search.

        The search adds changes for the failing rules to the set of edits that leaves the fewest rules failing.
        """
        cover = self._cover()
        if cover and (outcome := self.trials.outcome(cover)) and not outcome.failing and _smaller(outcome, best):
            yield outcome
            return
        order, known = count(), self.trials.known()
        heap = [(*_promise(o), next(order), o) for o in known if o.failing]
        heapq.heapify(heap)
        until = len(self.trials.outcomes) + _TRACES
        while heap and len(self.trials.outcomes) < until:
            *_, node = heapq.heappop(heap)
            for change in self.trials.further(node, _BRANCHES):
                if len(self.trials.outcomes) >= until or (best and len(change) >= len(best.change)):
                    break
                if words(change) in self.trials.outcomes:
                    continue
                outcome = self.trials.outcome(change)
                if outcome and outcome.failing:
                    heapq.heappush(heap, (*_promise(outcome), next(order), outcome))
                elif outcome:
                    best = self._without_needless(outcome)
                    until = min(until, len(self.trials.outcomes) + _TRACES_ONCE_FOUND)
                yield best

    def _cover(self) -> Change:
        """The fewest edits tried so far that together contain a fix for each failing verdict; may be empty."""
        best: dict[frozenset[int], Change] = {frozenset(): ()}
        for outcome in self.trials.known():
            fixed = frozenset(i for i in self.failing if self.trials.fixes(outcome, i))
            for covered, change in list(best.items()):
                longer = change + tuple(e for e in outcome.change if e not in change)
                if len(longer) < len(best.get(covered | fixed, (*longer, None))):
                    best[covered | fixed] = longer
        found = best.get(frozenset(self.failing), ())
        return without_overwritten(tuple(sorted(found, key=lambda edit: edit.order)))

    def _without_needless(self, outcome: FixOutcome) -> FixOutcome:
        """The outcome without unnecessary edits."""
        for edit in outcome.change:
            fewer = tuple(e for e in outcome.change if e is not edit)
            shorter = self.trials.outcome(fewer) if fewer else None
            if shorter and not shorter.failing:
                outcome = shorter
        return outcome

    def _of_others(self, index: int) -> tuple[str, ...]:
        """The smallest fix of a verdict among the changes tried for other verdicts."""
        found = [o for o in self.trials.known() if self.trials.fixes(o, index)]
        return tuple(self.sentences.alone(o, index) for o in sorted(found, key=lambda o: len(o.change))[:1])

    def _general(self, index: int) -> tuple[str, ...]:
        return advice(
            self.trials.verdicts[index],
            self.tried[index],
            limits(self.trials),
        )


def _smaller(outcome: FixOutcome, best: FixOutcome | None) -> bool:
    return best is None or len(outcome.change) < len(best.change)


def _promise(outcome: FixOutcome) -> tuple[float, int]:
    """Sort key of what to try next: few failing rules, few edits."""
    return len(outcome.failing) + _WEIGHT_OF_AN_EDIT * len(outcome.change), len(outcome.change)
