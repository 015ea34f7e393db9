from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.results.board import leaderboard
from nas.results.trial_card import card
from nas.search.study import WHY
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


@pytest.mark.parametrize("why", [None, 3, "below the better half", {"a": 1}])
def test_reasons_of_another_kind_are_of_another_program(journal: Path, why: object) -> None:
    study = network_study(journal)
    row = leaderboard(study).rows[0]
    assert card(study, row).why == ()
    other = optuna.create_study(study_name="theirs")
    for name, value in study.user_attrs.items():
        other.set_user_attr(name, value)
    trial = study.trials[row.trial]
    trial.user_attrs = {**trial.user_attrs, WHY: why}
    other.add_trial(trial)
    with pytest.raises(UnusableInputError, match=r"^study 'theirs' was not made by this tool: trial 0 has reasons of"):
        card(other, leaderboard(other).rows[0])
