"""Find the smallest changes that fix failing constraints, each alone and all at once; each is proved by tracing it."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import torch
from torch import nn

from constraints.advice import advice
from constraints.fix_search import Fixes, FixSearch
from constraints.fix_trials import Judged, Trials, called_convs
from constraints.model_state import copied
from constraints.tracer import Trace
from constraints.verdicts import Verdict

_CUT = "the search for fixes was cut after {:g} s: --fixes-timeout, in Python fixes_timeout=, allows it more"


def suggest(
    model: nn.Module, traced: Trace, verdicts: tuple[Verdict, ...], judged: Judged, seconds: float
) -> Iterator[Fixes]:
    """Changes that fix the failing verdicts, reported again whenever one is found, and at the end.

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
    calls = called_convs(spare, traced, judged)
    trials = Trials(model=spare, traced=traced, verdicts=verdicts, judged=judged, calls=calls)
    search = FixSearch(trials=trials, failing=failing)
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


def _copy(model: nn.Module) -> tuple[nn.Module | None, str]:
    """A copy to try changes on, or why there is none: a user's model may refuse to be copied in any way it likes."""
    try:
        return copied(model), ""
    except (Exception, SystemExit) as error:
        return None, f"the model cannot be copied: {type(error).__name__}"
