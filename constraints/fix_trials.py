"""Changes made in a copy of a model one after the other, and what each makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice

from torch import nn

from constraints.called_convs import Calls, watched
from constraints.candidates import changes
from constraints.edits import Change, applied, words
from constraints.exits import exits_raised
from constraints.forward_edits import CONVOLUTIONS
from constraints.model_state import parts
from constraints.rules import Constraint
from constraints.sites import CONVS
from constraints.tracer import Trace
from constraints.verdicts import Verdict

Judged = Callable[[nn.Module], tuple[Trace, tuple[Verdict, ...]]]
"""What traces a model and judges it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a change makes of the model."""

    change: Change
    traced: Trace
    verdicts: tuple[Verdict, ...]
    calls: Calls = ()

    @property
    def failing(self) -> tuple[int, ...]:
        """The indices of the verdicts that fail then."""
        return tuple(i for i, v in enumerate(self.verdicts) if not v.ok)


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The changes that were tried; ``traced`` and ``verdicts`` are of the model without any."""

    model: nn.Module
    """A copy, to make changes in."""
    traced: Trace
    verdicts: tuple[Verdict, ...]
    judged: Judged
    calls: Calls = ()
    """The convolutions of the model's forward pass, where it calls some as functions."""
    outcomes: dict[str, Outcome | None] = field(default_factory=dict)
    """What every change tried so far came to, by its words; None where it does not run or changes the output."""

    @property
    def rules(self) -> tuple[Constraint, ...]:
        """The constraints of the verdicts."""
        return tuple(v.constraint for v in self.verdicts if v.constraint is not None)

    def known(self) -> list[Outcome]:
        """The outcomes of the changes that ran."""
        return [outcome for outcome in self.outcomes.values() if outcome]

    def outcome(self, change: Change) -> Outcome | None:
        """What a change comes to, tried at most once; None where it does not run or changes the output's shape."""
        text = words(change)
        if text not in self.outcomes:
            self.outcomes[text] = self._traced(change)
        return self.outcomes[text]

    def _traced(self, change: Change) -> Outcome | None:
        try:
            with exits_raised(), applied(self.model, change), self._watched() as calls:
                after, now = self.judged(self.model)
        except (Exception, SystemExit):  # the user's code on shapes that it was not written for
            return None
        kept = after.output == self.traced.output or any(edit.reshapes for edit in change)
        return Outcome(change=change, traced=after, verdicts=now, calls=tuple(calls)) if kept else None

    def _watched(self) -> AbstractContextManager[Calls]:
        """What notes the convolutions of a forward pass, where some are called as functions."""
        return watched(self.model) if self.calls else nullcontext(())

    def changes(self, node: Outcome | Trials, index: int) -> Iterator[Change]:
        """Changes for what a verdict of the model, or of one with a change, leaves failing."""
        return changes(self.model, node.traced, node.verdicts[index], self.rules, node.calls)

    def further(self, node: Outcome, most: int) -> Iterator[Change]:
        """The change of a node with a further one for each rule that it leaves failing, ``most`` for each."""
        with applied(self.model, node.change):
            found = [change for i in node.failing for change in islice(self.changes(node, i), most)]
        originals = parts(self.model).modules
        return (node.change + change for change in found if all(edit.layer in originals for edit in change))

    def fixes(self, outcome: Outcome, index: int) -> bool:
        """Whether a verdict holds then, and none breaks that held."""
        unharmed = all(n.ok for n, v in zip(outcome.verdicts, self.verdicts, strict=True) if v.ok)
        return unharmed and outcome.verdicts[index].ok


def called_functions(model: nn.Module, traced: Trace) -> tuple[str, ...]:
    """The functions by which the forward pass calls convolutions that are no layers."""
    modules = parts(model).modules
    called = (v.op for v in traced.layers if v.op in CONVOLUTIONS and not isinstance(modules.get(v.name), CONVS))
    return tuple(dict.fromkeys(called))


def called_convs(model: nn.Module, traced: Trace, judged: Judged) -> Calls:
    """The convolutions of the forward pass, where some are called as functions; none where they cannot be seen."""
    if not called_functions(model, traced):
        return ()
    try:
        with exits_raised(), watched(model) as calls:
            judged(model)
    except (Exception, SystemExit):  # of a model that takes no other forward method
        return ()
    return tuple(calls)
