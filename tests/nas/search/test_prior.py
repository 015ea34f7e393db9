"""A prior from another study: invented accuracies that depend on one feature, and what is refused."""

from __future__ import annotations

import random
from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.search.prior import PriorResult, fitted, proxy_of, read_prior
from nas.search.storage import open_storage
from nas.search.study import CONFIRMED, IDENTITY, TARGET
from nas.space.attributes import ARCHITECTURE, FINISHED
from nas.space.proxy import FITTED
from nas.space.space import load

SPACE = load("tiny")


def results(count: int, sign: float) -> list[PriorResult]:
    """Accuracies that fall (or rise) with the share of residual layers, which the proxy takes for good."""
    generator = random.Random(0)
    networks = [SPACE.decode(SPACE.random(generator)) for _ in range(count)]
    residual = [str(network).count("+") for network in networks]
    return [
        PriorResult(network=n, epochs=4 + 4 * (i % 2), accuracy=0.5 + sign * 0.05 * r + 0.1 * (i % 2))
        for i, (n, r) in enumerate(zip(networks, residual, strict=True))
    ]


def test_results_that_say_otherwise_change_the_ranking() -> None:
    weights, line = fitted(results(40, sign=-1.0))
    assert weights is not None
    assert weights["residual"] < 0 < FITTED.weights["residual"]
    assert line.startswith("40 results rank what is tried next (rank correlation ")
    plain, summed = (
        SPACE.decode(SPACE.choices([0] * len(SPACE.columns)) | {"c2.residual": on}) for on in (False, True)
    )
    proxy = proxy_of(weights)
    assert proxy(plain) > proxy(summed)


def test_few_results_rank_nothing() -> None:
    assert fitted(results(8, sign=1.0)) == (None, "8 results are too few to rank what is tried next")


def test_results_that_do_not_vary_rank_nothing() -> None:
    weights, line = fitted([PriorResult(network=r.network, epochs=4, accuracy=0.5) for r in results(20, sign=1.0)])
    assert weights is None
    assert "no better than the proxy" in line


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("here", "the study itself"), ("place#", "write NAME, or STORAGE#NAME"),
        ("other", "nothing was launched here"),
    ],
)  # fmt: skip
def test_what_is_no_other_study_is_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(UnusableInputError, match=error):
        read_prior(text, str(tmp_path / "journal.log"), "here", {}, SPACE)


def test_its_best_networks_begin_and_what_differs_is_said(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    study = optuna.create_study(storage=open_storage(place, write=True), study_name="old", direction="maximize")
    made_with = {"data": {"name": "digits", "hash": "1"}, "epochs": 4, "constraints": [], "seed": 0}
    study.set_user_attr(IDENTITY, made_with)
    for result in (several := list({str(r.network): r for r in results(30, sign=-1.0)}.values())):
        trial = study.ask()
        trial.set_user_attr(ARCHITECTURE, str(result.network))
        trial.report(result.accuracy, result.epochs)
        study.tell(trial, result.accuracy)
    here = {**made_with, "data": {"name": "own", "hash": "2"}, "epochs": 8}
    prior = read_prior("old", place, "new", here, load("tiny", input=(1, 28, 28), classes=7))
    best = max(range(len(several)), key=lambda i: several[i].accuracy)
    assert len(prior.starts) == 5
    assert prior.starts[0].origin == f"study old, trial {best}"
    assert all((one.architecture.input, one.architecture.classes) == ((1, 28, 28), 7) for one in prior.starts)
    assert prior.weights is not None
    assert prior.lines[1] == "from study old: made with other data, epochs: its accuracies count nothing here"
    elsewhere = read_prior(f"{place}#old", str(tmp_path / "other.log"), "new", here, SPACE)
    assert [one.origin for one in elsewhere.starts] == [one.origin for one in prior.starts]


def test_a_confirmed_winner_is_among_its_best_though_the_search_trained_it_for_a_few_epochs(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    study = optuna.create_study(storage=open_storage(place, write=True), study_name="old", direction="maximize")
    study.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": "1"}, "epochs": 8, "constraints": [], "seed": 0})
    study.set_user_attr(TARGET, 0.85)
    for number, network in enumerate({str(r.network) for r in results(30, sign=-1.0)}):
        trial = study.ask()
        trial.set_user_attr(ARCHITECTURE, network)
        is_finished = number in {3, 4}
        if is_finished:
            trial.set_user_attr(FINISHED, {"epochs": 12, "threads": 1})
        trial.report(accuracy := 0.3 if is_finished else 0.6 + number / 100, 2 if is_finished else 8)
        study.tell(trial, accuracy)
    study.set_user_attr(f"{CONFIRMED}3", {"mean": 0.84})
    study.set_user_attr(f"{CONFIRMED}4", {"mean": 0.86})
    origins = [one.origin for one in read_prior("old", place, "new", {}, SPACE).starts]
    last = len(study.trials) - 1
    assert origins == [f"study old, trial {number}" for number in (4, last, last - 1, last - 2, last - 3)]
