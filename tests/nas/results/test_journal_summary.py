"""What a journal's lines mean, compared with Optuna's own reading of the same lines."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from constraints.errors import UnusableInputError
from nas.results.journal_summary import of_journal
from nas.results.trial_summary import StudySummary
from nas.space.attributes import ARCHITECTURE

DATE = "2026-01-01T00:00:00"


class Lines(BaseJournalBackend):
    """A journal that is a list."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        yield from self.lines[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.lines += logs


def written(place: Path, lines: list[dict[str, Any]], end: str = "\n") -> list[StudySummary]:
    place.write_text("".join(json.dumps(line) + end for line in lines))
    return of_journal(place)


def study(name: str) -> dict[str, Any]:
    return {"op_code": 0, "worker_id": "w", "study_name": name, "directions": [2]}


def trial(study_id: int, **fields: Any) -> dict[str, Any]:
    return {"op_code": 4, "worker_id": "w", "study_id": study_id, "datetime_start": DATE, **fields}


def attribute(trial_id: int, value: str) -> dict[str, Any]:
    return {"op_code": 8, "worker_id": "w", "trial_id": trial_id, "user_attr": {ARCHITECTURE: value}}


def step(trial_id: int, epoch: int, value: float) -> dict[str, Any]:
    return {"op_code": 7, "worker_id": "w", "trial_id": trial_id, "step": epoch, "intermediate_value": value}


def state(trial_id: int, to: int) -> dict[str, Any]:
    line = {"op_code": 6, "worker_id": "w", "trial_id": trial_id, "state": to, "values": [0.5] if to == 1 else None}
    return line | {"datetime_start": DATE, "datetime_complete": DATE}


IDS, TRIALS = st.integers(0, 3), st.integers(0, 5)
LINES = st.one_of(
    st.builds(study, st.sampled_from(["a", "b"])),
    st.builds(lambda i: {"op_code": 1, "worker_id": "w", "study_id": i}, IDS),
    st.builds(lambda i, v: {"op_code": 2, "worker_id": "w", "study_id": i, "user_attr": {"x": v}}, IDS, IDS),
    st.builds(trial, IDS),
    st.builds(lambda i: trial(i, state=4), IDS),
    st.builds(
        lambda i: trial(
            i, state=1, values=[0.25], datetime_complete=DATE, user_attrs={ARCHITECTURE: "n"},
            intermediate_values={"1": 0.25},
        ),
        IDS,
    ),
    st.builds(attribute, TRIALS, st.sampled_from(["n", "m"])),
    st.builds(step, TRIALS, st.integers(1, 3), st.floats(0, 1)),
    st.builds(state, TRIALS, st.sampled_from([0, 1, 2, 3, 4])),
)  # fmt: skip


def made_trials(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines, without those on studies and trials that were not made: a journal that lost lines is refused."""
    studies, names, trials, made = set[int](), dict[int, str](), 0, 0
    for line in lines:
        if line.get("trial_id", -1) >= trials or line.get("study_id", -1) >= made:
            continue
        yield line
        if line["op_code"] == 0 and line["study_name"] not in {names[i] for i in studies}:
            studies.add(made)
            names[made], made = line["study_name"], made + 1
        elif line["op_code"] == 1:
            studies.discard(line["study_id"])
        elif line["op_code"] == 4 and line["study_id"] in studies:
            trials += 1


@settings(max_examples=25, deadline=None)
@given(st.lists(LINES, max_size=30), st.integers(0, 30))
def test_lines_mean_what_they_mean_to_optuna(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[dict[str, Any]], first: int
) -> None:
    lines = list(made_trials([study("z"), *drawn]))
    place = tmp_path_factory.mktemp("journal") / "journal.log"
    if first:
        written(place, lines[: first + 1])
    storage = JournalStorage(Lines(lines))
    expected = [optuna.load_study(study_name=one.study_name, storage=storage) for one in storage.get_all_studies()]
    found = written(place, lines)
    assert [one.study_name for one in found] == [one.study_name for one in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.user_attrs == theirs.user_attrs
        assert [(t.number, int(t.state), t.network, t.intermediate_values) for t in ours.trials] == [
            (t.number, int(t.state), t.user_attrs.get(ARCHITECTURE), t.intermediate_values) for t in theirs.trials
        ]


@pytest.mark.parametrize(
    "lost",
    [attribute(1, "n"), attribute(10**20, "n"), attribute(-1, "n"), trial(1), {"op_code": 1, "study_id": 1}],
)
def test_a_journal_that_lost_lines_is_refused(lost: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"^cannot read the storage .*: its lines do not fit together"):
        written(tmp_path / "journal.log", [study("a"), trial(0), lost])


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    lines = [study("a"), trial(0), attribute(0, "n")]

    assert written(tmp_path / "a.log", lines, "\r\n")[0].trials[0].network == "n"


@pytest.mark.parametrize(
    "tail", ['{"op_code": 8', '{"op_code": 4}', "{", "[" * 5_000, '{"op_code": 8, "trial_id": 0, "user_attr": {}}']
)
def test_a_last_line_without_its_end_waits(tail: str, tmp_path: Path) -> None:
    place = tmp_path / "journal.log"
    place.write_text("".join(json.dumps(line) + "\n" for line in [study("a"), trial(0)]) + tail)

    assert [one.number for one in of_journal(place)[0].trials] == [0]


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.log")
    with pytest.raises(UnusableInputError, match=r"^the storage is a pipe or a device: .*: give --storage the path"):
        of_journal(tmp_path / "journal.log")
