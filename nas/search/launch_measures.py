"""The measured metrics and the objectives of a launch."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from constraints.sandbox.parent import Sandbox
from nas.config import LaunchConfig
from nas.latency.predictor import load
from nas.search.measures import Measures, needs_latency, split_rules
from nas.search.objectives import Objectives
from nas.user_metrics import read_metrics


def measuring(config: LaunchConfig, held: ExitStack) -> tuple[Measures, Objectives]:
    """The measures of a launch, usable until ``held`` is closed, and its objectives."""
    own = None
    if config.metrics is not None:
        own = read_metrics(Path(config.metrics), held.enter_context(Sandbox()))
    names = {} if own is None else {name: name in own.maximised for name in own.names}
    objectives = Objectives.parse(config.objective, names)
    counted, rules = split_rules(config.rules, tuple(names))
    latency = load() if needs_latency(config.rules, config.objective) else None
    return Measures(own=own, latency=latency, objectives=objectives.costs, rules=rules, counted=counted), objectives
