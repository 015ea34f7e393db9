"""Find the smallest changes that fix failing constraints, each alone and all at once; each is proved by tracing it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, islice
from time import monotonic

import torch
from torch import nn

from constraints.advice import advice
from constraints.called_convs import Calls, watched
from constraints.candidates import changes
from constraints.edit_code import inserted_lines
from constraints.edits import Change, applied, listed, other_names, words
from constraints.exits import exits_raised
from constraints.findings import FixAll
from constraints.forward_edits import CONVOLUTIONS
from constraints.model_state import copied, parts
from constraints.rules import Constraint
from constraints.sites import CONVS, sites
from constraints.tracer import Trace
from constraints.verdicts import Verdict

Judged = Callable[[nn.Module], tuple[Trace, tuple[Verdict, ...]]]

_FIXES_PER_RULE = 3
_TRACES = 64
"""For the changes of single rules; as many again for those of all at once."""
_TRACES_ONCE_FOUND = 12
_BRANCHES = 3
_WEIGHT_OF_AN_EDIT = 0.25
"""Beside that of a failing rule, in what is tried next."""
_CUT = "the search for fixes was cut after {:g} s: --fixes-timeout, in Python fixes_timeout=, allows it more"


@dataclass(frozen=True, kw_only=True)
class Fixes:
    """What a search for fixes has found so far."""

    sentences: Mapping[int, tuple[str, ...]]
    """Index of a failing verdict -> at most three changes that fix it, smallest first, or one general advice."""
    together: FixAll | None = None
    """The smallest set of edits found that makes every constraint hold."""
    change: Change = ()
    """The same, to be made."""
    cut: str = ""
    """Why the search ended before its time, for people; empty where it did not."""


def suggest(
    model: nn.Module, traced: Trace, verdicts: tuple[Verdict, ...], judged: Judged, seconds: float
) -> Iterator[Fixes]:
    """Changes that fix the failing verdicts, reported anew whenever one is found, and at the end.

    Where nothing that was tried helps, there is one general sentence instead; it begins with ``untried:`` where there
    was nothing to try. A change counts when the constraint then holds, no other that held breaks, and the output keeps
    its shape (a global pool, which changes it on purpose, aside). Each is tried on a copy by ``judged``: those for one
    rule in turn with those for the others, 64 in all, then at most 64 sets of them that are to fix every rule at once,
    so that the advice is the same on every machine; none after ``seconds``. On a model that cannot be copied, none.
    """
    failing = [i for i, v in enumerate(verdicts) if not v.ok and v.value is not None]
    if not failing:
        return
    yield Fixes(sentences={i: advice(verdicts[i], 0) for i in failing})
    spare, reason = _copy(model)
    if spare is None:
        yield Fixes(sentences={i: advice(verdicts[i], 0, reason) for i in failing})
        return
    calls = _called(spare, traced, judged)
    search = _Search(model=spare, traced=traced, verdicts=verdicts, judged=judged, failing=failing, calls=calls)
    ends, cut, together, reported = monotonic() + seconds, "", None, 0
    with torch.random.fork_rng(devices=[]):  # fresh layers draw weights, also those that are only written out
        for found in search.run():
            known = sum(map(len, search.found.values()))
            if known > reported or (found is not None and found is not together):
                together, reported = found or together, known
                yield search.fixes(together)
            if monotonic() > ends:
                cut = _CUT.format(seconds)
                break
        last = search.fixes(together, cut)
    yield last


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What a change makes of the model."""

    change: Change
    traced: Trace
    verdicts: tuple[Verdict, ...]
    calls: Calls = ()

    @property
    def failing(self) -> tuple[int, ...]:
        return tuple(i for i, v in enumerate(self.verdicts) if not v.ok)


@dataclass(frozen=True, kw_only=True)
class _Search:
    model: nn.Module
    """A copy, to make changes in."""
    traced: Trace
    verdicts: tuple[Verdict, ...]
    judged: Judged
    failing: list[int]
    calls: Calls = ()
    """The convolutions of the model's forward pass, where it calls some as functions."""
    outcomes: dict[str, _Outcome | None] = field(default_factory=dict)
    """What every change tried so far came to, by its words; None where it does not run or changes the output."""
    tried: dict[int, int] = field(default_factory=dict)
    """How many changes were tried for each verdict."""
    found: dict[int, list[str]] = field(default_factory=dict)
    """What fixes each verdict, of the changes that were tried for it."""

    @cached_property
    def others(self) -> Mapping[str, Sequence[str]]:
        """Further names of shared layers."""
        return other_names(self.model)

    @cached_property
    def hidden(self) -> Container[str]:
        """Layers that the model does not register, whose parameters do not count."""
        return parts(self.model).hidden

    @property
    def rules(self) -> tuple[Constraint, ...]:
        return tuple(v.constraint for v in self.verdicts if v.constraint is not None)

    def run(self) -> Iterator[_Outcome | None]:
        """One step after the other; a set of edits that makes every constraint hold whenever a smaller one is found."""
        self.found.update({i: [] for i in self.failing})
        self.tried.update(dict.fromkeys(self.failing, 0))
        best: _Outcome | None = None
        for outcome in self._each_rule():
            if outcome and not outcome.failing and _smaller(outcome, best):
                best = outcome
            yield best
        is_known = all(v.ok or v.value is not None for v in self.verdicts)  # what is unknown, no edit is known to fix
        if is_known and (best is None or len(best.change) > 1):
            yield from self._all_at_once(best)

    def fixes(self, together: _Outcome | None, cut: str = "") -> Fixes:
        """What is known so far."""
        sentences = {i: tuple(self.found[i]) or self._of_others(i) or self._general(i) for i in self.failing}
        if together is None:
            return Fixes(sentences=sentences, cut=cut)
        whole = FixAll(
            text=self._sentence_of_all(together),
            edits=tuple(words((e,), self.others) for e in together.change),
            code=inserted_lines(self.model, together.change),
        )
        return Fixes(sentences=sentences, together=whole, change=together.change, cut=cut)

    def _each_rule(self) -> Iterator[_Outcome | None]:
        """A change for each failing verdict in turn, until each has enough fixes or nothing more to try."""
        most = max(_TRACES // len(self.failing), _FIXES_PER_RULE)
        left = {i: islice(self._changes(self, i), most) for i in self.failing}
        while left:
            for i, offered in list(left.items()):
                change = next(offered, None)
                if change is None:
                    del left[i]
                    continue
                self.tried[i] += 1
                outcome = self._outcome(change)
                if outcome and self._fixes(outcome, i) and (text := self._sentence(outcome, i)) not in self.found[i]:
                    self.found[i].append(text)
                if len(self.found[i]) == _FIXES_PER_RULE:
                    del left[i]
                yield outcome

    def _all_at_once(self, best: _Outcome | None) -> Iterator[_Outcome | None]:
        """First the fewest edits of which each rule is fixed by one; where they fail together, a search.

        Best first: changes for what still fails, on top of those that leave the fewest failing.
        """
        cover = self._cover()
        if cover and (outcome := self._outcome(cover)) and not outcome.failing and _smaller(outcome, best):
            yield outcome
            return
        order, known = count(), [o for o in self.outcomes.values() if o]
        heap = [(*_promise(o), next(order), o) for o in known if o.failing]
        heapq.heapify(heap)
        until = len(self.outcomes) + _TRACES
        while heap and len(self.outcomes) < until:
            *_, node = heapq.heappop(heap)
            for change in self._further(node):
                if len(self.outcomes) >= until or (best and len(change) >= len(best.change)):
                    break
                if words(change) in self.outcomes:
                    continue
                outcome = self._outcome(change)
                if outcome and outcome.failing:
                    heapq.heappush(heap, (*_promise(outcome), next(order), outcome))
                elif outcome:
                    best = self._without_needless(outcome)
                    until = min(until, len(self.outcomes) + _TRACES_ONCE_FOUND)
                yield best

    def _cover(self) -> Change:
        """The fewest edits, of those tried so far, that fix each failing verdict by itself; may be none."""
        best: dict[frozenset[int], Change] = {frozenset(): ()}
        for outcome in filter(None, list(self.outcomes.values())):
            fixed = frozenset(i for i in self.failing if self._fixes(outcome, i))
            for covered, change in list(best.items()):
                longer = change + tuple(e for e in outcome.change if e not in change)
                if len(longer) < len(best.get(covered | fixed, (*longer, None))):
                    best[covered | fixed] = longer
        found = best.get(frozenset(self.failing), ())
        return tuple(sorted(found, key=lambda edit: edit.order))

    def _further(self, node: _Outcome) -> Iterator[Change]:
        """The change of a node with a further one for each rule that it leaves failing."""
        with applied(self.model, node.change):
            found = [change for i in node.failing for change in islice(self._changes(node, i), _BRANCHES)]
        originals = parts(self.model).modules
        return (node.change + change for change in found if all(edit.layer in originals for edit in change))

    def _without_needless(self, outcome: _Outcome) -> _Outcome:
        """The outcome without edits that are not needed."""
        for edit in outcome.change:
            fewer = tuple(e for e in outcome.change if e is not edit)
            shorter = self._outcome(fewer) if fewer else None
            if shorter and not shorter.failing:
                outcome = shorter
        return outcome

    def _outcome(self, change: Change) -> _Outcome | None:
        text = words(change)
        if text not in self.outcomes:
            self.outcomes[text] = self._traced(change)
        return self.outcomes[text]

    def _traced(self, change: Change) -> _Outcome | None:
        try:
            with exits_raised(), applied(self.model, change), self._watched() as calls:
                after, now = self.judged(self.model)
        except (Exception, SystemExit):  # the user's code on shapes that it was not written for
            return None
        kept = after.output == self.traced.output or any(edit.reshapes for edit in change)
        return _Outcome(change=change, traced=after, verdicts=now, calls=tuple(calls)) if kept else None

    def _watched(self) -> AbstractContextManager[Calls]:
        """What notes the convolutions of a forward pass, where some are called as functions."""
        return watched(self.model) if self.calls else nullcontext(())

    def _changes(self, node: _Outcome | _Search, index: int) -> Iterator[Change]:
        """Changes for what a verdict of the model, or of one with a change, leaves failing."""
        return changes(self.model, node.traced, node.verdicts[index], self.rules, node.calls)

    def _fixes(self, outcome: _Outcome, index: int) -> bool:
        """Whether a verdict holds then, and none breaks that held."""
        unharmed = all(n.ok for n, v in zip(outcome.verdicts, self.verdicts, strict=True) if v.ok)
        return unharmed and outcome.verdicts[index].ok

    def _of_others(self, index: int) -> tuple[str, ...]:
        """What fixes a verdict, of the changes that were tried for others: the one of the fewest edits."""
        found = [o for o in self.outcomes.values() if o and self._fixes(o, index)]
        return tuple(self._sentence(o, index) for o in sorted(found, key=lambda o: len(o.change))[:1])

    def _general(self, index: int) -> tuple[str, ...]:
        return advice(self.verdicts[index], self.tried[index], _limits(self.model, self.traced, self.calls))

    def _sentence(self, outcome: _Outcome, index: int) -> str:
        verdict = outcome.verdicts[index]
        aside = "" if verdict.name == "params" else self._params(outcome)
        return f"{words(outcome.change, self.others)} makes {verdict.name} {verdict.value:,}{aside}"

    def _sentence_of_all(self, outcome: _Outcome) -> str:
        now = [outcome.verdicts[i] for i in self.failing if self.verdicts[i].name != "params"]
        values = dict.fromkeys(f"{v.name} {v.value:,}, " for v in now)
        params = self._params(outcome).removeprefix(", ")
        return f"{words(outcome.change, self.others)} makes every constraint hold: {''.join(values)}{params}"

    def _params(self, outcome: _Outcome) -> str:
        old, new = self.traced.metrics.params, outcome.traced.metrics.params
        if old is None or new is None:
            return ""
        text = f", params {f'{new:,} ({new - old:+,})' if new != old else 'unchanged'}"
        hidden = [edit.layer for edit in outcome.change if edit.layer in self.hidden]
        return f"{text}, without those of {listed(hidden)}, which the model does not register" if hidden else text


def _smaller(outcome: _Outcome, best: _Outcome | None) -> bool:
    return best is None or len(outcome.change) < len(best.change)


def _promise(outcome: _Outcome) -> tuple[float, int]:
    """What is tried next: few rules left, few edits made."""
    return len(outcome.failing) + _WEIGHT_OF_AN_EDIT * len(outcome.change), len(outcome.change)


def _copy(model: nn.Module) -> tuple[nn.Module | None, str]:
    """A copy to try changes on, or why there is none: a user's model may refuse to be copied in any way it likes."""
    try:
        return copied(model), ""
    except (Exception, SystemExit) as error:
        return None, f"the model cannot be copied: {type(error).__name__}"


def _functions(model: nn.Module, traced: Trace) -> tuple[str, ...]:
    """The functions by which the forward pass calls convolutions that are no layers."""
    modules = parts(model).modules
    called = (v.op for v in traced.layers if v.op in CONVOLUTIONS and not isinstance(modules.get(v.name), CONVS))
    return tuple(dict.fromkeys(called))


def _limits(model: nn.Module, traced: Trace, calls: Calls) -> str:
    """Of which convolutions only some changes are tried; empty where all of them are layers of torch's."""
    own = {type(s.conv).__name__ for s in sites(model, traced.layers, calls) if s.plain is None and not s.called}
    found = [f"layers of {name}" for name in sorted(own)]
    found += [f"calls of {name} in a forward method" for name in _functions(model, traced)]
    return f"of the arguments of {listed(found)}, stride, padding and dilation alone are changed" if found else ""


def _called(model: nn.Module, traced: Trace, judged: Judged) -> Calls:
    """The convolutions of the forward pass, where some are called as functions; none where they cannot be seen."""
    if not _functions(model, traced):
        return ()
    try:
        with exits_raised(), watched(model) as calls:
            judged(model)
    except (Exception, SystemExit):  # of a model that takes no other forward method
        return ()
    return tuple(calls)
