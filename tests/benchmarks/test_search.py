"""A search that is replayed over a table trains only networks of the table."""

from __future__ import annotations

import pytest

from benchmarks.curves import EPOCHS, IMAGES, read
from benchmarks.search import BLANK, driven


def test_one_candidate_past_the_target_is_trained_to_the_end() -> None:
    (curve,) = read()[:1]
    spent = driven([curve], 0.0)
    assert spent.images == EPOCHS * IMAGES
    assert spent.seconds == pytest.approx(curve.seconds)


def test_a_proxy_chooses_among_the_candidates_of_the_table() -> None:
    some = read()[:3]
    spent = driven(some, 1.0, proxy=BLANK)
    assert len(some) * IMAGES < spent.images < len(some) * EPOCHS * IMAGES, "some are pruned, none is past 100 %"
