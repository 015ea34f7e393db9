"""Find the smallest changes that fix failing constraints, each alone and all together; each is verified by a trace."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import torch
from torch import nn

from constraints.fix_search import Fixes, FixSearch
from constraints.fix_trials import Judged, Trials, called_convs
from constraints.general_advice import advice
from constraints.model_state import copied
from constraints.tracer import Trace
from constraints.verdicts import Verdict

_CUT = "the search for fixes was cut after {:g} s: --fixes-timeout, in Python fixes_timeout=, allows it more"


def suggest(
    model: nn.Module, traced: Trace, verdicts: tuple[Verdict, ...], judged: Judged, seconds: float
) -> Iterator[Fixes]:
    """Changes that fix the failing verdicts; yields all results so far whenever one is found, and at the end.

    Where no tried change helps, there is one general sentence instead; it begins with ``untried:`` if there was
    nothing to try. A change counts when the constraint then holds, no other that held breaks, and the output keeps
    its shape (except for a global pool, which is meant to change it). Changes are tried on a copy by ``judged``:
    64 changes, the rules taking turns, then at most 64 sets of changes that may fix all rules together. These counts
    make the advice the same on every machine. Nothing is tried after ``seconds``, or on a model that cannot be copied.
    """
    failing = [i for i, v in enumerate(verdicts) if not v.ok and v.value is not None]
    if not failing:
        return
    yield Fixes(sentences={i: advice(verdicts[i], 0) for i in failing})
    spare, reason = _copy(model)
    if spare is None:
        yield Fixes(sentences={i: advice(verdicts[i], 0, reason) for i in failing})
        return
    calls = called_convs(spare, traced, judged)
    trials = Trials(model=spare, traced=traced, verdicts=verdicts, judged=judged, calls=calls)
    search = FixSearch(trials=trials, failing=failing)
    ends, cut, together, reported = monotonic() + seconds, "", None, 0
    with torch.random.fork_rng(devices=[]):  # new layers draw random weights, even if only their source is needed
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


def _copy(model: nn.Module) -> tuple[nn.Module | None, str]:
    """A copy to try changes on, or why there is none: a user's model may raise any exception when copied."""
    try:
        return copied(model), ""
    except (Exception, SystemExit) as error:
        return None, f"the model cannot be copied: {type(error).__name__}"
