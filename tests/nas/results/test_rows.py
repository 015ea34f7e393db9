from __future__ import annotations

import json

import optuna
import pytest

from nas.results.rows import COLUMNS, METRICS, SORT_KEYS, TrialLocation, row_of
from nas.search.study import TARGET


def test_a_row_says_what_its_trial_and_its_study_say(study: optuna.Study) -> None:
    row = row_of(study.trials[1], study.user_attrs)
    assert (row.trial, row.state, row.val_accuracy, row.test_accuracy, row.epochs) == (1, "complete", 0.86, 0.84, 2)
    assert (row.curve, row.seconds, row.meets_target) == ((0.6, 0.86), 2.5, True)


@pytest.mark.parametrize(("target", "meets"), [(0.859, True), (0.86, False), (0.861, False), (None, False)])
def test_a_target_is_met_by_more_than_it(study: optuna.Study, target: float | None, meets: bool) -> None:
    assert row_of(study.trials[1], {**study.user_attrs, TARGET: target}).meets_target is meets


def test_what_is_not_known_yet_is_none(study: optuna.Study) -> None:
    row = row_of(study.trials[4], study.user_attrs)
    assert (row.state, row.val_accuracy, row.test_accuracy, row.epochs, row.curve) == ("running", None, None, 0, ())


def test_its_document_leaves_out_where_it_is(study: optuna.Study) -> None:
    here = row_of(study.trials[1], study.user_attrs, TrialLocation("journal.log", "known"))
    nowhere = row_of(study.trials[1], study.user_attrs)
    assert here == nowhere
    assert here.as_dict() == nowhere.as_dict()
    assert json.loads(json.dumps(here.as_dict()))["curve"] == [0.6, 0.86]
    assert [name for name in here.as_dict() if name != "curve"] == list(COLUMNS)
    assert set(METRICS) < set(SORT_KEYS) < set(COLUMNS)
