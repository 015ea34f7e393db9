"""Importance and parallel coordinates, of studies in which one parameter alone decides."""

import random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.results.report import charts
from nas.results.report.charts import MOST_LINES, MOST_TRIALS, importance, parallel

WORD = "<img src=x onerror=alert(1)>"


def trials(count: int, state: TrialState = TrialState.COMPLETE) -> list[FrozenTrial]:
    """Accuracy is a hundredth of ``width``, which goes from 1 to 64; ``word`` is of no account."""
    generator = random.Random(3)
    kinds: dict[str, optuna.distributions.BaseDistribution] = {
        "width": IntDistribution(1, 64),
        "word": CategoricalDistribution(["c3", WORD]),
    }
    made = []
    for number in range(count):
        value = (number % 64 + 1) / 100
        params = {"width": number % 64 + 1, "word": generator.choice(["c3", WORD])}
        trial = create_trial(
            state=state, params=params, distributions=kinds, value=value, intermediate_values={1: 0.0, 2: value}
        )
        trial.number = number
        made.append(trial)
    return made


def test_importance_finds_the_parameter_that_decides() -> None:
    chart = importance(trials(128))
    assert chart.plot is not None
    bars = chart.plot["data"][0]
    assert bars["y"] == ["word", "width"]  # plotly draws the last bar on top
    assert bars["x"][1] > 0.9
    assert sum(bars["x"]) == pytest.approx(1, abs=1e-4)
    assert chart.note == "Optuna's importance (PED-ANOVA) to validation accuracy, of all 128 complete trials."


def test_few_trials_say_little_and_fewer_than_two_nothing() -> None:
    assert importance(trials(2)).note.endswith("of all 2 complete trials. So few say little.")
    assert importance(trials(19)).note.endswith("So few say little.")
    assert importance(trials(20)).note.endswith("complete trials.")
    for chart in (importance, parallel):
        none, one = chart([]), chart([*trials(1), *trials(5, TrialState.PRUNED)])
        assert (none.plot, none.note) == (None, "This needs two complete trials; the study has 0.")
        assert (one.plot, one.note) == (None, "This needs two complete trials; the study has 1.")
        assert chart(trials(2)).plot is not None


def test_trials_without_parameters_are_said() -> None:
    bare = [create_trial(value=0.5, intermediate_values={1: 0.5}) for _ in range(3)]
    assert importance(bare) == parallel(bare)
    assert importance(bare).note == "The study's trials have no hyper-parameters."


def test_importance_of_a_large_study_is_of_trials_spread_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST_TRIALS", 50)
    assert "of 34 of 100 complete trials" not in importance(trials(100)).note
    assert "of 50 of 100 complete trials" in importance(trials(100)).note
    assert "of 34 of 101 complete trials" in importance(trials(101)).note  # every third
    assert "of all 50 complete trials" in importance(trials(50)).note
    assert MOST_TRIALS == 5_000


def test_parallel_coordinates_draw_the_most_accurate() -> None:
    chart = parallel(trials(MOST_LINES + 1))
    assert chart.plot is not None
    assert chart.note == "A line a trial: the most accurate 200 of 201 complete trials, drawn by Optuna."
    lines = [trace for trace in chart.plot["data"] if trace["mode"] == "lines"]
    assert len(lines) == MOST_LINES
    # 201 trials: widths 1 to 9 are of four trials each, the others for three; one of width 1 is left out
    widths = [trace["customdata"][1][1] for trace in lines]
    assert widths.count("1") == 3
    assert widths.count("2") == 4
    assert "all 200 complete trials" in parallel(trials(MOST_LINES)).note


def test_no_text_of_a_figure_is_markup() -> None:
    chart = parallel(trials(8))
    assert chart.plot is not None
    assert "&lt;img" in str(chart.plot)
    assert "<img" not in str(chart.plot)


def test_optuna_stays_as_talkative_as_it_was() -> None:
    before = optuna.logging.get_verbosity()
    parallel(trials(3))
    assert optuna.logging.get_verbosity() == before


def test_a_value_that_a_queue_fixed_outside_of_its_range_is_left_out() -> None:
    known = trials(3)
    known[1].params = {**known[1].params, "width": 65}
    assert importance(known).note.endswith("of all 2 complete trials. So few say little.")
    assert parallel(known).plot is not None
