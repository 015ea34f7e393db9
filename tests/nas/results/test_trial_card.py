from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.results.board import leaderboard
from nas.results.trial_card import card
from nas.search.study import CURVE, WHY
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


def changed(study: optuna.Study, name: str, value: object) -> optuna.Study:
    """A study of another program, with another value of an attribute of its best trial."""
    other = optuna.create_study(study_name="theirs", direction="maximize")
    for known, kept in study.user_attrs.items():
        other.set_user_attr(known, kept)
    trial = study.trials[leaderboard(study).rows[0].trial]
    trial.user_attrs = {**trial.user_attrs, name: value}
    other.add_trial(trial)
    return other


@pytest.mark.parametrize("why", [None, 3, "below the better half", {"a": 1}])
def test_reasons_of_another_kind_are_of_another_program(journal: Path, why: object) -> None:
    study = network_study(journal)
    assert card(study, leaderboard(study).rows[0]).why == ()
    other = changed(study, WHY, why)
    with pytest.raises(
        UnusableInputError, match=r"^study 'theirs' was not made by this tool: trial 0: why is .*, where a list must be"
    ):
        card(other, leaderboard(other).rows[0])


@pytest.mark.parametrize("field", ["loss", "learning_rate"])
@pytest.mark.parametrize("value", [None, "0.5", [], {}])
def test_a_curve_without_the_numbers_that_are_shown_is_of_another_program(
    journal: Path, field: str, value: object
) -> None:
    study = network_study(journal)
    row = leaderboard(study).rows[0]
    *before, last = study.trials[row.trial].user_attrs[CURVE]
    for epoch in ({**last, field: value}, {name: kept for name, kept in last.items() if name != field}):
        other = changed(study, CURVE, [*before, epoch])
        with pytest.raises(
            UnusableInputError, match=rf"^study 'theirs' was not made by this tool: trial 0: curve\[2\].{field} is "
        ):
            card(other, leaderboard(other).rows[0])
    diverged = changed(study, CURVE, [*before, {**last, "loss": float("nan")}])
    assert card(diverged, leaderboard(diverged).rows[0]).curve[-1]["loss"] != 0
