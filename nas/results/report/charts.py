"""Optuna's own charts of a study: the importance of each hyper-parameter, and parallel coordinates."""

from __future__ import annotations

import html
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from constraints.output.plain import visible
from nas.search.study import accuracy

MOST_TRIALS = 5_000
"""Most trials from which importance is computed, which takes two seconds on one core."""
MOST_LINES = 200
"""Most trials in parallel coordinates, about a kilobyte each; more lines would hide one another."""
ACCURACY = "validation accuracy"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A plotly chart as a table, or None where there is nothing to draw; the note is a caption, or says why."""

    plot: dict[str, Any] | None
    note: str


def importance(trials: Sequence[FrozenTrial], accuracy_name: str = ACCURACY) -> Chart:
    """Optuna's importance of each hyper-parameter to accuracy, by at most MOST_TRIALS evenly spread complete trials."""
    known = _known(trials)
    if reason := _missing(known):
        return Chart(plot=None, note=reason)
    step = -(-len(known) // MOST_TRIALS)
    chosen = known[::step]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # on few trials: the note says so
        found = optuna.importance.get_param_importances(_study(chosen))  # the chart copies all trials for each bar
    few = " So few say little." if len(chosen) < 20 else ""
    which = f"{_count(len(chosen), len(known))} complete trials"
    note = f"Optuna's importance (PED-ANOVA) to {accuracy_name}, of {which}.{few}"
    return Chart(plot=_bars(dict(reversed(found.items()))), note=note)


def parallel(trials: Sequence[FrozenTrial], accuracy_name: str = ACCURACY) -> Chart:
    """Optuna's parallel coordinates of the MOST_LINES most accurate complete trials."""
    known = _known(trials)
    if reason := _missing(known):
        return Chart(plot=None, note=reason)
    best = sorted(known, key=lambda t: (-_accuracy(t), t.number))[:MOST_LINES]
    drawn = optuna.visualization.plot_parallel_coordinate(_study(best[::-1]), target_name=accuracy_name)
    note = f"A line a trial: {_count(len(best), len(known), 'the most accurate ')} complete trials, drawn by Optuna."
    return Chart(plot=_plain(drawn), note=note)


def _bars(shares: Mapping[str, float]) -> dict[str, Any]:
    """Horizontal bars, the last one at the top."""
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [round(share, 5) for share in shares.values()],
        "y": [_text(name) for name in shares],
        "text": [f"{share:.2f}" if share >= 0.01 else "&lt;0.01" for share in shares.values()],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
    }
    return {"data": [bars], "layout": {"xaxis": {"title": {"text": "importance"}}}}


def _known(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in trials if t.state == TrialState.COMPLETE and isfinite(_accuracy(t)) and _is_in_range(t)]


def _is_in_range(trial: FrozenTrial) -> bool:
    """Whether Optuna takes the trial; a value that its ``enqueue_trial`` fixed may be outside of its range."""
    try:
        create_trial(params=trial.params, distributions=trial.distributions, value=0.0)
    except ValueError:
        return False
    return True


def _accuracy(trial: FrozenTrial) -> float:
    value = accuracy(trial)
    return nan if value is None else value


def _missing(known: Sequence[FrozenTrial]) -> str:
    if len(known) < 2:
        return f"This needs two complete trials; the study has {len(known)}."
    if not any(t.params for t in known):
        return "The study's trials have no hyper-parameters."
    return ""


def _count(chosen: int, known: int, kind: str = "") -> str:
    return f"all {known:,}" if chosen == known else f"{kind}{chosen:,} of {known:,}"


def _study(trials: Sequence[FrozenTrial]) -> optuna.Study:
    """The trials as an in-memory study of accuracy alone, whatever the objectives of the search were."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(level)
    study.add_trials(create_trial(params=t.params, distributions=t.distributions, value=_accuracy(t)) for t in trials)
    return study


def _plain(figure: Any) -> dict[str, Any]:
    """The figure without its theme (the page has one), every text escaped, since plotly interprets tags in texts."""
    plot = json.loads(figure.to_json())
    plot["layout"].pop("template", None)
    plot["layout"].pop("title", None)
    escaped = _escaped(plot)
    assert isinstance(escaped, dict)
    return escaped


def _escaped(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _escaped(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_escaped(part, key) for part in value]
    return _text(value) if isinstance(value, str) and key != "hovertemplate" else value


def _text(words: str) -> str:
    return html.escape(visible(words), quote=False)
