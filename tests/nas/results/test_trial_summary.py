"""The part of a trial that a leaderboard needs, kept in a compact form and read back the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.results.trial_summary import StudySummary, TrialSummary
from nas.search.stored import TrialState
from nas.search.study import CURVE, REASON

SHARE = st.floats(0, 1)
EPOCH = st.fixed_dictionaries(
    {"val_accuracy": SHARE, "seconds": SHARE, "loss": SHARE}, optional={"val_balanced_accuracy": SHARE | st.none()}
)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "architecture": st.text(max_size=3), "params": st.integers(0), REASON: st.text(max_size=3),
        CURVE: st.lists(EPOCH, max_size=4), "further": st.integers(),
    },
)  # fmt: skip


def noted(**attrs: Any) -> TrialSummary:
    found = TrialSummary(number=3, study=1, state=TrialState.COMPLETE)
    found.note(attrs)
    return found


@given(ATTRIBUTES, st.dictionaries(st.integers(1, 99), SHARE, max_size=3), st.sampled_from(TrialState))
def test_what_is_written_as_json_is_read_back(
    attrs: dict[str, Any], values: dict[int, float], state: TrialState
) -> None:
    trial = noted(**attrs)
    trial.state, trial.intermediate_values = state, values
    assert TrialSummary.from_list(json.loads(json.dumps(trial.as_list()))) == trial


@given(st.lists(EPOCH, min_size=1, max_size=4))
def test_of_a_curve_accuracies_and_times_are_kept_and_of_its_last_epoch_the_balanced_one(
    curve: list[dict[str, Any]],
) -> None:
    kept = noted(**{CURVE: curve}).user_attrs[CURVE]
    assert [(e["val_accuracy"], e["seconds"]) for e in kept] == [(e["val_accuracy"], e["seconds"]) for e in curve]
    assert [set(e) - {"val_accuracy", "seconds"} for e in kept[:-1]] == [set()] * (len(kept) - 1)
    assert kept[-1]["val_balanced_accuracy"] == curve[-1].get("val_balanced_accuracy")


def test_of_a_given_network_its_identity_alone_is_kept() -> None:
    trial = TrialSummary(number=0, study=0)
    trial.note({"given": {"key": "Net({}) 12ab", "files": {"/a.py": "12ab"}}})
    assert TrialSummary.from_list(trial.as_list()).user_attrs == {"given": {"key": "Net({}) 12ab"}}


def test_what_no_leaderboard_shows_is_left_out() -> None:
    assert noted(params=3, loss=1, why=["a"]).user_attrs == {"params": 3}
    assert (noted().network, noted(architecture="n").network) == (None, "n")


def test_a_later_note_replaces_what_it_names_alone() -> None:
    trial = noted(params=3, reason="a")
    trial.note({"reason": "b"})
    assert trial.user_attrs == {"params": 3, "reason": "b"}


@pytest.mark.parametrize("curve", [3, None, "ab", [3], [{"val_accuracy": 0.5}], {"val_accuracy": 1}])
def test_a_curve_of_another_program_is_none_of_ours(curve: Any) -> None:
    trial = noted(**{CURVE: curve})
    assert trial.user_attrs == {CURVE: curve}
    assert TrialSummary.from_list(json.loads(json.dumps(trial.as_list()))) == trial


def test_a_study_has_the_names_of_optunas() -> None:
    study = StudySummary(study_name="s", user_attrs={}, trials=[noted()])
    assert study.get_trials(deepcopy=True) is study.trials
