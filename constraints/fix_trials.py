"""Try changes on a copy of a model one after another, and record the outcome of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice

from torch import nn

from constraints.called_convs import Calls, watched
from constraints.candidates import changes
from constraints.conv_sites import CONVS
from constraints.edits import Change, applied, without_overwritten, words
from constraints.exits import exits_raised
from constraints.forward_edits import CONVOLUTIONS
from constraints.model_state import parts
from constraints.rules import Constraint
from constraints.tracer import Trace
from constraints.verdicts import Verdict

Judged = Callable[[nn.Module], tuple[Trace, tuple[Verdict, ...]]]
"""Function that traces a model and judges it."""


@dataclass(frozen=True, kw_only=True)
class FixOutcome:
    """The trace and the verdicts of the model with a change."""

    change: Change
    traced: Trace
    verdicts: tuple[Verdict, ...]
    calls: Calls = ()

    @property
    def failing(self) -> tuple[int, ...]:
        """The indices of the verdicts that fail with the change."""
        return tuple(i for i, v in enumerate(self.verdicts) if not v.ok)


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The changes that were tried; ``traced`` and ``verdicts`` are of the unchanged model."""

    model: nn.Module
    """A copy of the model, to which changes are applied."""
    traced: Trace
    verdicts: tuple[Verdict, ...]
    judged: Judged
    calls: Calls = ()
    """The convolutions of the model's forward pass, if it calls some as functions."""
    outcomes: dict[str, FixOutcome | None] = field(default_factory=dict)
    """Change in words -> its outcome, for all changes tried; None where the model fails or its output shape changes."""

    @property
    def rules(self) -> tuple[Constraint, ...]:
        """The constraints of the verdicts."""
        return tuple(v.constraint for v in self.verdicts if v.constraint is not None)

    def known(self) -> list[FixOutcome]:
        """The outcomes of the changes that ran."""
        return [outcome for outcome in self.outcomes.values() if outcome]

    def outcome(self, change: Change) -> FixOutcome | None:
        """The outcome of a change, tried at most once; None where the model fails or its output shape changes."""
        text = words(change)
        if text not in self.outcomes:
            self.outcomes[text] = self._traced(change)
        return self.outcomes[text]

    def _traced(self, change: Change) -> FixOutcome | None:
        try:
            with exits_raised(), applied(self.model, change), self._watched() as calls:
                after, now = self.judged(self.model)
        except (Exception, SystemExit):  # raised by the user's code for shapes that it was not written for
            return None
        kept = after.output == self.traced.output or any(edit.reshapes for edit in change)
        return FixOutcome(change=change, traced=after, verdicts=now, calls=tuple(calls)) if kept else None

    def _watched(self) -> AbstractContextManager[Calls]:
        """Context that records the convolutions of a forward pass, if some are called as functions."""
        return watched(self.model) if self.calls else nullcontext(())

    def changes(self, node: FixOutcome | Trials, index: int) -> Iterator[Change]:
        """Changes for a failing verdict of the model, or of the model with a change."""
        return changes(self.model, node.traced, node.verdicts[index], self.rules, node.calls)

    def further(self, node: FixOutcome, most: int) -> Iterator[Change]:
        """The node's change extended by one more change for a failing rule, at most ``most`` for each rule."""
        with applied(self.model, node.change):
            found = [change for i in node.failing for change in islice(self.changes(node, i), most)]
        originals = parts(self.model).modules
        kept = (change for change in found if all(edit.layer in originals for edit in change))
        return (without_overwritten(node.change + change) for change in kept)

    def fixes(self, outcome: FixOutcome, index: int) -> bool:
        """Whether a verdict holds with the change, and no verdict that held before fails."""
        unharmed = all(n.ok for n, v in zip(outcome.verdicts, self.verdicts, strict=True) if v.ok)
        return unharmed and outcome.verdicts[index].ok


def called_functions(model: nn.Module, traced: Trace) -> tuple[str, ...]:
    """The functions by which the forward pass calls convolutions without a layer."""
    modules = parts(model).modules
    called = (v.op for v in traced.layers if v.op in CONVOLUTIONS and not isinstance(modules.get(v.name), CONVS))
    return tuple(dict.fromkeys(called))


def called_convs(model: nn.Module, traced: Trace, judged: Judged) -> Calls:
    """The convolutions of the forward pass, if some are called as functions; empty where they cannot be recorded."""
    if not called_functions(model, traced):
        return ()
    try:
        with exits_raised(), watched(model) as calls:
            judged(model)
    except (Exception, SystemExit):  # raised by a model whose forward method cannot be replaced
        return ()
    return tuple(calls)
