from __future__ import annotations

import math

import numpy as np
import optuna
import pytest

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.spec import parse
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE
from nas.space.feasible import FeasiblePart
from nas.space.proxy import FITTED, LinearProxy
from nas.space.sampler import FeasibleSampler

NETWORK = "BR/c16-pw32-c32s2/+dw.pw32-+c32g4-dws2-pw64/c64d2-dw-pw64-c64s2/+c64-dw-pw64/fc"


@pytest.fixture(scope="module")
def feasible() -> FeasiblePart:
    return FeasiblePart(spaces.load("assignment", input=(3, 32, 32), classes=10), parse_all(ASSIGNMENT))


def test_the_proxy_is_the_weighted_sum_of_the_features_less_the_price_of_the_time() -> None:
    network = parse(NETWORK)
    assert LinearProxy({"dilated": 15.0, "residual": -15.0})(network) == pytest.approx(-3.0)
    assert LinearProxy({"dilated": 15.0}, {"any": 8.0}, price=0.5)(network) == pytest.approx(1.0 - 1.5)


@pytest.mark.parametrize(("more", "worth"), [(-1, -math.inf), (0, -math.inf), (1, 1.0)])
def test_networks_larger_than_the_fitted_ones_get_minus_infinity(more: int, worth: float) -> None:
    network = parse(NETWORK)
    assert LinearProxy({"dilated": 15.0}, macs=metrics(network).macs + more)(network) == pytest.approx(worth)


def proposed(feasible: FeasiblePart, count: int, proxy: LinearProxy | None) -> list[str]:
    sampler = FeasibleSampler(feasible, seed=3, proxy=proxy)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(count):
        trial = study.ask(feasible.space.distributions)
        trial.set_user_attr(ARCHITECTURE, str(feasible.judge(trial.params).architecture))
    return [trial.user_attrs[ARCHITECTURE] for trial in study.trials]


def test_the_first_candidates_are_far_above_what_is_drawn_at_random(feasible: FeasiblePart) -> None:
    def worth(texts: list[str]) -> list[float]:
        return [FITTED(network) for network in map(parse, texts)]

    rows = feasible.sample_rows(200, np.random.default_rng(0))
    drawn = [str(feasible.space.decode(feasible.space.choices(row))) for row in rows]
    chosen = proposed(feasible, 4, FITTED)
    assert len(set(chosen)) == 4
    assert min(worth(chosen)) > np.quantile(worth(drawn), 0.95)
    assert chosen[:1] == proposed(feasible, 1, FITTED)


def test_after_the_first_candidates_the_base_sampler_takes_over(
    feasible: FeasiblePart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.space.proposer.PROXY_TRIALS", 2)
    chosen, alone = proposed(feasible, 3, FITTED), proposed(feasible, 3, None)
    assert chosen[:2] != alone[:2]
    assert chosen[2] == alone[2], "a base sampler without results to learn from proposes the same either way"
