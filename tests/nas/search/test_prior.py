"""What another study teaches: made-up accuracies that a feature decides, and what is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.search.prior import Result, fitted, proxy_of, read_prior
from nas.space.analytic import metrics
from nas.space.proxy import FITTED
from nas.space.space import load

SPACE = load("tiny")


def results(count: int, sign: float) -> list[Result]:
    """Accuracies that fall (or rise) with the share of residual layers, which the proxy takes for good."""
    generator = random.Random(0)
    networks = [SPACE.decode(SPACE.random(generator)) for _ in range(count)]
    residual = [str(network).count("+") for network in networks]
    return [
        Result(network=n, epochs=4 + 4 * (i % 2), accuracy=0.5 + sign * 0.05 * r + 0.1 * (i % 2))
        for i, (n, r) in enumerate(zip(networks, residual, strict=True))
    ]


def test_results_that_say_otherwise_change_the_ranking() -> None:
    weights, told = fitted(results(40, sign=-1.0))
    assert weights is not None
    assert weights["residual"] < 0 < FITTED.weights["residual"]
    assert told.startswith("40 results rank what is tried next (rank correlation ")
    plain, summed = (
        SPACE.decode(SPACE.choices([0] * len(SPACE.columns)) | {"c2.residual": on}) for on in (False, True)
    )
    proxy = proxy_of(weights)
    assert proxy(plain, metrics(plain)) > proxy(summed, metrics(summed))


def test_few_results_rank_nothing() -> None:
    assert fitted(results(8, sign=1.0)) == (None, "8 results are too few to rank what is tried next")


def test_results_that_do_not_vary_rank_nothing() -> None:
    weights, told = fitted([Result(network=r.network, epochs=4, accuracy=0.5) for r in results(20, sign=1.0)])
    assert weights is None
    assert "no better than the proxy" in told


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
