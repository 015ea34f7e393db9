from pathlib import Path

import pytest

from nas.results.board import leaderboard
from nas.results.trial_card import card
from tests.nas.results.known import GATED, PLAIN, network_study


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.log"


def test_a_card_is_json(journal: Path) -> None:
    study = network_study(journal)
    found = card(study, leaderboard(study).rows[1]).as_dict()
    assert found["architecture"] == GATED
    assert [e["val_accuracy"] for e in found["curve"]] == [0.25, 0.5, 0.625]
    assert found["report"]["target"] == "trial 1"
    assert found["stages"][1]["blocks"] == ("+c16", "+dw.pw16", "c16s2")
    assert PLAIN not in str(found)
