"""Summaries of a journal's studies, updated by reading only new lines, interpreted as Optuna does."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constraints.errors import UnusableInputError
from nas.results import kept_summary
from nas.results.board_reading import mark_checked
from nas.results.trial_summary import StudySummary, TrialSummary
from nas.search.stored import LineOperation, TrialState, check_regular
from nas.search.study import MALFORMED

_TAIL = 4096
_OPERATIONS = frozenset(LineOperation)


@dataclass
class _Journal:
    """The state of a journal after its lines up to ``offset``."""

    offset: int = 0
    tail: str = ""
    """Hash of the last bytes before ``offset``, by which a different journal of the same name is recognised."""
    studies: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    made: int = 0
    """Number of studies ever created."""
    trials: list[TrialSummary] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    """Study -> how many trials it has."""

    def apply(self, line: Mapping[str, Any]) -> None:
        """Apply one operation as Optuna does, ignoring those on an ended trial or a deleted study.

        Raises LookupError for one on a study or trial that was never created.
        """
        op = line["op_code"]
        if line.get("study_id", -1) >= self.made:
            raise LookupError(f"study {line['study_id']} was never made: lines are lost")
        if op == LineOperation.CREATE_STUDY:
            if line["study_name"] not in {name for name, _ in self.studies.values()}:
                self.studies[self.made] = (line["study_name"], {})
                self.made += 1
        elif op == LineOperation.DELETE_STUDY:
            self.studies.pop(line["study_id"], None)
        elif op == LineOperation.SET_STUDY_USER_ATTR:
            if line["study_id"] in self.studies:
                self.studies[line["study_id"]][1].update(line["user_attr"])
        elif op == LineOperation.CREATE_TRIAL:
            if line["study_id"] in self.studies:
                self._create(line)
        elif op not in _OPERATIONS:
            raise LookupError(f"unknown operation {op}: the journal is another release's")
        elif "trial_id" in line and 0 <= line["trial_id"] < len(self.trials):
            self._update(self.trials[line["trial_id"]], line)
        elif "trial_id" in line and self.made == len(self.studies):  # else it may be a trial of a deleted study
            raise LookupError(f"trial {line['trial_id']} was never made: lines are lost")

    def _create(self, line: Mapping[str, Any]) -> None:
        study = line["study_id"]
        number = self.counts[study] = self.counts.get(study, -1) + 1
        trial = TrialSummary(number=number, study=study, state=TrialState(line.get("state", TrialState.RUNNING.value)))
        trial.note(line.get("user_attrs", {}))
        trial.intermediate_values.update({int(k): v for k, v in line.get("intermediate_values", {}).items()})
        self.trials.append(trial)

    def _update(self, trial: TrialSummary, line: Mapping[str, Any]) -> None:
        if trial.state.is_finished():
            return
        trial.checked = ""
        op = line["op_code"]
        if op == LineOperation.SET_TRIAL_STATE_VALUES:
            trial.state = TrialState(line["state"])
        elif op == LineOperation.SET_TRIAL_INTERMEDIATE_VALUE:
            trial.intermediate_values[line["step"]] = line["intermediate_value"]
        elif op == LineOperation.SET_TRIAL_USER_ATTR:
            trial.note(line["user_attr"])


def of_journal(path: Path) -> list[StudySummary]:
    """All studies of a journal, in the order of creation; UnusableInputError where it cannot be read."""
    check_regular(path)
    kept = Path(f"{path}.digest.json")
    try:
        known = _as_journal(kept_summary.read(kept))
        with path.open("rb") as file:
            if not _continues(file, known):
                known = _Journal()
            file.seek(known.offset)
            new = _operations(file.read())
            for line in new:
                known.apply(json.loads(line))
            known.offset += sum(map(len, new))
            known.tail = _tail(file, known.offset)
    except (OSError, *MALFORMED):
        from nas.search.storage import open_storage

        open_storage(str(path))  # which says in one line what is wrong with the journal
        raise UnusableInputError(
            f"cannot read the storage {path}: its lines do not fit together: restore it from a copy"
        ) from None
    if not known.studies:
        from nas.search.storage import open_storage

        open_storage(str(path))  # which says so of a file that is no journal
    trials: dict[int, list[TrialSummary]] = {number: [] for number in known.studies}
    for trial in known.trials:
        if trial.study in trials:
            trials[trial.study].append(trial)
    studies = [
        StudySummary(study_name=name, user_attrs=attrs, trials=trials[number])
        for number, (name, attrs) in known.studies.items()
    ]
    if new:
        for study in studies:
            mark_checked(study)
        kept_summary.keep(kept, _journal_as_dict(known))
    return studies


def _operations(text: bytes) -> list[bytes]:
    """The lines of a journal, without an incomplete last one, as in Optuna."""
    lines = text.splitlines(keepends=True)
    try:
        whole = not lines or (lines[-1].endswith(b"\n") and bool(json.loads(lines[-1])))
    except ValueError:
        whole = False
    return lines if whole else lines[:-1]


def _continues(file: Any, known: _Journal) -> bool:
    """Whether the journal is the one that was read before, perhaps with more lines."""
    return known.offset <= file.seek(0, os.SEEK_END) and _tail(file, known.offset) == known.tail


def _tail(file: Any, offset: int) -> str:
    file.seek(max(0, offset - _TAIL))
    return hashlib.sha256(file.read(min(_TAIL, offset))).hexdigest() if offset else ""


def _journal_as_dict(known: _Journal) -> dict[str, Any]:
    return {
        "offset": known.offset,
        "tail": known.tail,
        "made": known.made,
        "studies": [[i, name, attrs] for i, (name, attrs) in known.studies.items()],
        "trials": [t.as_list() for t in known.trials],
        "counts": list(known.counts.items()),
    }


def _as_journal(document: Mapping[str, Any]) -> _Journal:
    try:
        return _Journal(
            offset=int(document["offset"]),
            tail=document["tail"],
            studies={i: (name, dict(attrs)) for i, name, attrs in document["studies"]},
            made=int(document["made"]),
            trials=[TrialSummary.from_list(t) for t in document["trials"]],
            counts=dict(document["counts"]),
        )
    except MALFORMED:
        return _Journal()
