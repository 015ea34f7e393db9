from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.spec import parse
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE, FINISHED, SEED
from nas.space.feasible import FeasiblePart
from nas.space.proxy import FITTED, LinearProxy
from nas.space.proxy_features import ProxyFeatures
from nas.space.sampler import FeasibleSampler
from nas.space.surrogate import DEPARTURE, NOISE, OFFSET, RatedNetwork, Surrogate, log_improvement, posterior, results

NETWORK = "BR/c32-pw32-c32s2/+dw.pw32-+c32g4-dws2-pw64/c64d2-dw-pw64-c64s2/+c64-dw-pw64/fc"
LARGER = "BR/c32-pw32-c32s2/+dw.pw32-+c32-dws2-pw64/c64d2-dw-pw64-c96s2/+c96-dw-pw96/fc"
DILATED = LinearProxy({"dilated": 1.0}, {"any": 1.0})


def test_one_result_moves_the_offset_by_its_share_of_the_precision() -> None:
    found = posterior(np.array([0.5, 0.1]), np.array([[1.0, 0.0]]), np.array([0.7]))
    share = OFFSET**2 / (OFFSET**2 + NOISE**2)
    assert found.mean == pytest.approx([0.5 + share * 0.2, 0.1])
    mean, deviation = found.predict(np.array([[1.0, 0.0], [1.0, 2.0]]))
    offset = 1 / (OFFSET**-2 + NOISE**-2)
    assert mean == pytest.approx([0.5 + share * 0.2, 0.7 + share * 0.2])
    assert deviation == pytest.approx([(offset + NOISE**2) ** 0.5, (offset + 4 * DEPARTURE**2 + NOISE**2) ** 0.5])


def test_many_results_outweigh_the_prior() -> None:
    feature = np.tile([-1.0, 1.0], 500)
    found = posterior(np.array([0.5, 0.1]), np.column_stack([np.ones(1000), feature]), 0.6 - 0.05 * feature)
    assert found.mean == pytest.approx([0.6, -0.05], abs=1e-3)


@pytest.mark.parametrize(
    ("difference", "deviation", "improvement"),
    [
        (0.0, 0.02, 0.02 / math.sqrt(2 * math.pi)),
        (0.3, 0.001, 0.3),  # certain to be better
        (-0.02, 0.02, 0.02 * 0.08331547),  # phi(1) - Phi(-1)
        (-0.2, 0.02, 0.02 * 7.4745603e-25),  # phi(10) - 10 Phi(-10)
    ],
)
def test_the_expected_improvement_of_a_normal(difference: float, deviation: float, improvement: float) -> None:
    (found,) = log_improvement(np.array([difference]), np.array([deviation]))
    assert found == pytest.approx(math.log(improvement), abs=0.03)


def test_the_expected_improvement_falls_without_a_jump() -> None:
    values = log_improvement(np.linspace(-10, -4, 601), np.ones(601))
    assert (np.diff(values) > 0).all()
    assert np.diff(values).max() < 0.2


def _study(*trials: tuple[str, dict[int, float], dict[str, int]]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for text, values, more in trials:
        study.add_trial(
            create_trial(state=TrialState.RUNNING, intermediate_values=values, user_attrs={ARCHITECTURE: text, **more})
        )
    return study


def test_results_are_as_if_all_were_trained_as_long() -> None:
    study = _study(
        (NETWORK, {1: 0.5, 2: 0.6}, {}),
        (LARGER, {1: 0.4}, {}),
        (LARGER, {}, {}),
        (NETWORK, {1: 0.5, 9: 0.9}, {SEED: 0}),  # a user's training
        (NETWORK, {1: math.nan}, {}),
    )
    found = results(study)
    assert [one.network for one in found] == [parse(NETWORK), parse(LARGER)]
    assert [one.accuracy for one in found] == pytest.approx([0.6, 0.4 + 0.1])  # the 0.1 that the other gained


def test_a_result_of_a_trial_that_its_confirmation_completed_is_moved_as_any_other() -> None:
    study = _study((NETWORK, {2: 0.5, 8: 0.8}, {}))
    finished = {ARCHITECTURE: LARGER, FINISHED: {"epochs": 12, "threads": 1}}
    study.add_trial(create_trial(value=0.55, intermediate_values={2: 0.55}, user_attrs=finished))
    assert [one.accuracy for one in results(study)] == pytest.approx([0.8, 0.55 + 0.3])


def test_worth_is_the_improvement_a_second_and_obeys_the_proxys_limit() -> None:
    networks = [parse(NETWORK), parse(LARGER)]
    features = ProxyFeatures.of(networks)
    known = [RatedNetwork(network=networks[0], accuracy=0.5)]

    def worth(proxy: LinearProxy) -> npt.NDArray[np.float64]:
        return Surrogate.fitted(proxy, known, features).worth(features)

    even = worth(DILATED)
    priced = replace(DILATED, seconds={"standard": 1.0})
    assert worth(priced) == pytest.approx(even - np.log(priced.predicted_seconds(features)))
    limited = worth(replace(DILATED, macs=max(metrics(network).macs for network in networks)))
    assert [math.isinf(value) for value in limited] == [False, True]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_sampler_follows_the_results_where_they_contradict_the_proxy(sign: float) -> None:
    feasible = FeasiblePart(spaces.load("tiny", input=(3, 32, 32), classes=10), parse_all(ASSIGNMENT))
    drawn = [
        feasible.space.decode(feasible.space.choices(row)) for row in feasible.sample_rows(40, np.random.default_rng(0))
    ]
    size = {str(one): math.log2(metrics(one).params) for one in drawn}
    middle = float(np.mean(list(size.values())))
    proxy = LinearProxy({"params": -sign * 0.01}, {"any": 1.0})
    sampler = FeasibleSampler(feasible, seed=1, proxy=proxy)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for text, value in list(size.items())[:12]:
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                intermediate_values={1: 0.5 + sign * 0.1 * (value - middle)},
                user_attrs={ARCHITECTURE: text},
            )
        )
    proposed = feasible.space.decode(study.ask(dict(feasible.space.distributions)).params)
    assert sign * (math.log2(metrics(proposed).params) - middle) > 0


def test_without_results_the_order_is_the_proxys() -> None:
    feasible = FeasiblePart(spaces.load("tiny", input=(3, 32, 32), classes=10), parse_all(ASSIGNMENT))
    study = optuna.create_study(direction="maximize", sampler=FeasibleSampler(feasible, seed=1, proxy=FITTED))
    assert results(study) == []
    first = feasible.space.decode(study.ask(dict(feasible.space.distributions)).params)
    rows = feasible.sample_rows(200, np.random.default_rng(5))
    others = [feasible.space.decode(feasible.space.choices(row)) for row in rows]
    # The best of PROXY_DRAWS networks is in the top hundredth but for a chance of 0.99 ** 1024, or 3e-5.
    assert FITTED(first) >= np.quantile([FITTED(one) for one in others], 0.99)
