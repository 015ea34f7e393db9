"""What may be confirmed, in which order, and how long that would take."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from nas.search.contenders import ALL_IMAGES, Contender, of_candidate, of_trials, ranked, seen
from nas.search.curve_forecast import CurveForecast, CurvePoint
from nas.search.study import CURVE
from nas.space.attributes import ARCHITECTURE, BROKEN, FINISHED, SEED
from tests.nas.search.pools import pool_of, train

FORECAST = CurveForecast(epochs=10, test_images=10_000)


def contender(trial: int, accuracy: float, epochs: int = 2) -> Contender:
    point = CurvePoint(epochs=epochs, accuracy=accuracy, images=5000)
    return Contender(trial=trial, seen=point, network="net", params={}, epoch_seconds=2.0)


def ended(
    number: int = 0,
    state: TrialState = TrialState.COMPLETE,
    scores: tuple[float, ...] = (0.5, 0.75),
    more: Mapping[str, Any] = MappingProxyType({}),
) -> FrozenTrial:
    curve = [{"epoch": n, "seconds": 10.0 * n} for n, _ in enumerate(scores, start=1)]
    attrs: Mapping[str, Any] = {ARCHITECTURE: f"net {number}", CURVE: curve, **more}
    made = optuna.trial.create_trial(
        state=state,
        value=(*scores[-1:], 0.0)[0] if state == TrialState.COMPLETE else None,
        user_attrs=dict(attrs),
        intermediate_values=dict(enumerate(scores, start=1)),
    )
    made.number = number
    return made


def test_a_confirmation_takes_as_long_as_its_epochs_with_a_margin() -> None:
    assert contender(0, 0.5).seconds(10) == pytest.approx(10 * 2.0 * ALL_IMAGES)
    assert contender(0, 0.5).seconds(0) == 0.0
    assert ALL_IMAGES > 10 / 9, "a tenth of the images was held back"


def test_the_best_forecast_is_first_and_of_equal_ones_the_older_trial() -> None:
    best, worst, other = contender(7, 0.8), contender(1, 0.5), contender(3, 0.8)
    assert [one.trial for one in ranked([best, worst, other], FORECAST)] == [3, 7, 1]
    assert ranked([], FORECAST) == []


def test_the_same_accuracy_after_fewer_epochs_is_the_better_forecast() -> None:
    assert [one.trial for one in ranked([contender(1, 0.7, 5), contender(2, 0.7, 1)], FORECAST)] == [2, 1]


def test_a_candidate_counts_by_its_last_epoch() -> None:
    candidate = train(pool_of(), 0.25, 0.5)
    found = of_candidate(candidate, 0.5, 5000)
    assert found.seen == CurvePoint(epochs=2, accuracy=0.5, images=5000)
    assert (found.trial, found.network, found.epoch_seconds) == (0, str(candidate.architecture), 1.0)
    assert (found.trained.trial, found.trained.network, found.trained.key) == (0, found.network, found.network)
    assert found.trained.given is None


def test_what_the_search_trained_to_the_end_is_a_contender() -> None:
    found = of_trials([ended(2)], 5000)
    assert list(found) == [2]
    assert found[2].seen == CurvePoint(epochs=2, accuracy=0.75, images=5000)
    assert (found[2].network, found[2].epoch_seconds) == ("net 2", 20.0)


@pytest.mark.parametrize(
    "trial",
    [
        ended(state=TrialState.RUNNING),
        ended(state=TrialState.PRUNED),
        ended(state=TrialState.FAIL),
        ended(more={BROKEN: "params < 1"}),
        ended(more={FINISHED: {"epochs": 12, "threads": 4}}),
        ended(more={SEED: 0}),
        ended(scores=()),
    ],
    ids=["running", "pruned", "failed", "breaks a rule", "was confirmed", "was given", "has no epoch"],
)
def test_what_is_no_contender(trial: FrozenTrial) -> None:
    assert of_trials([trial], 5000) == {}


def test_how_far_a_trial_is_trained() -> None:
    assert seen(ended(scores=(0.25,)), 0) == CurvePoint(epochs=1, accuracy=0.25)
    assert seen(ended(scores=(0.5, 0.75, 0.25)), 7) == CurvePoint(epochs=3, accuracy=0.25, images=7)
