"""Sentences about a change that fixes a rule: the edits, the metric's new value, the parameters."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from constraints.conv_sites import sites
from constraints.edits import listed, other_names, words
from constraints.fix_trials import FixOutcome, Trials, called_functions
from constraints.model_state import parts
from constraints.tracer import Trace
from constraints.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class FixSentences:
    """Sentences on changes of one model; ``traced`` and ``verdicts`` are of the unchanged model."""

    model: nn.Module
    traced: Trace
    verdicts: tuple[Verdict, ...]

    @cached_property
    def others(self) -> Mapping[str, Sequence[str]]:
        """Further names of shared layers."""
        return other_names(self.model)

    @cached_property
    def hidden(self) -> Container[str]:
        """Layers that the model does not register; their parameters do not count."""
        return parts(self.model).hidden

    def alone(self, outcome: FixOutcome, index: int) -> str:
        """The sentence on a change that fixes one verdict."""
        verdict = outcome.verdicts[index]
        aside = "" if verdict.name == "params" else self._params(outcome)
        return f"{words(outcome.change, self.others)} makes {verdict.name} {verdict.value:,}{aside}"

    def together(self, outcome: FixOutcome, failing: Sequence[int]) -> str:
        """The sentence on a change that fixes all failing verdicts."""
        now = [outcome.verdicts[i] for i in failing if self.verdicts[i].name != "params"]
        values = dict.fromkeys(f"{v.name} {v.value:,}, " for v in now)
        params = self._params(outcome).removeprefix(", ")
        return f"{words(outcome.change, self.others)} makes every constraint hold: {''.join(values)}{params}"

    def _params(self, outcome: FixOutcome) -> str:
        old, new = self.traced.metrics.params, outcome.traced.metrics.params
        if old is None or new is None:
            return ""
        text = f", params {f'{new:,} ({new - old:+,})' if new != old else 'unchanged'}"
        hidden = [edit.layer for edit in outcome.change if edit.layer in self.hidden]
        return f"{text}, without those of {listed(hidden)}, which the model does not register" if hidden else text


def limits(trials: Trials) -> str:
    """The convolutions for which only some changes are tried; empty if all are torch's own layers."""
    model, traced = trials.model, trials.traced
    own = {type(s.conv).__name__ for s in sites(model, traced.layers, trials.calls) if s.plain is None and not s.called}
    found = [f"layers of {name}" for name in sorted(own)]
    found += [f"calls of {name} in a forward method" for name in called_functions(model, traced)]
    return f"only stride, padding and dilation of {listed(found)} are changed" if found else ""
