"""A study in short, kept beside it and brought up to date by what is new, so that a leaderboard need not read it all.

Of a journal the lines behind the last one known are read, of a database the trials that are new or were not finished.
Nothing of this is needed: a summary that is missing, or of another study, is made anew from the study itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from constraints.errors import UnusableInputError
from nas import atomic
from nas.search.stored import Operation, TrialState, is_database
from nas.search.study import CURVE, MALFORMED, REASON, choose
from nas.space.attributes import ARCHITECTURE
from nas.user_cache import user_cache

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

VERSION = 2
_KEPT = (ARCHITECTURE, "params", "macs", "receptive_field", REASON, CURVE)
_OF_EPOCH = ("val_accuracy", "seconds")
"""What is kept of each epoch of a curve."""
_TAIL = 4096


class Seen(Protocol):
    """What a leaderboard reads of a trial; Optuna's own trials have it too."""

    @property
    def number(self) -> int:
        """Its place in the study."""

    @property
    def state(self) -> int:
        """Whether it runs, and how it ended: a TrialState, ours or Optuna's."""

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """What is known of its network."""

    @property
    def intermediate_values(self) -> Mapping[int, float]:
        """Epoch -> validation accuracy."""


@dataclass(kw_only=True, slots=True)
class TrialSummary:
    """A trial in short."""

    number: int
    study: int
    state: TrialState = TrialState.RUNNING
    user_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate_values: dict[int, float] = field(default_factory=dict)

    @property
    def network(self) -> str | None:
        """Its text; None where none was proposed yet."""
        return self.user_attrs.get(ARCHITECTURE)

    def note(self, attrs: Mapping[str, Any]) -> None:
        """Keep what a leaderboard shows; of a curve its accuracies and times."""
        for name in _KEPT:
            if name in attrs:
                self.user_attrs[name] = attrs[name]
        if CURVE in attrs:
            self.user_attrs[CURVE] = _shortened(attrs[CURVE])

    def as_list(self) -> list[Any]:
        """Ready for JSON, and short: each value of the curve, and the epochs and their accuracies, in a list."""
        attrs = dict(self.user_attrs)
        if attrs.get(CURVE) is not None:
            attrs[CURVE] = [[epoch[key] for epoch in attrs[CURVE]] for key in _OF_EPOCH]
        steps = self.intermediate_values
        return [self.number, self.study, self.state.value, attrs, list(steps), list(steps.values())]

    @classmethod
    def from_list(cls, values: list[Any]) -> TrialSummary:
        """The inverse of ``as_list``."""
        number, study, state, attrs, epochs, accuracies = values
        if attrs.get(CURVE) is not None:
            attrs[CURVE] = [dict(zip(_OF_EPOCH, epoch, strict=True)) for epoch in zip(*attrs[CURVE], strict=True)]
        steps = dict(zip(epochs, accuracies, strict=True))
        return cls(number=number, study=study, state=TrialState(state), user_attrs=attrs, intermediate_values=steps)


def _shortened(curve: Any) -> list[dict[str, Any]] | None:
    """What is kept of a curve; None where it is none, as that of a study of others may be."""
    try:
        return [{key: epoch[key] for key in _OF_EPOCH} for epoch in curve]
    except MALFORMED:
        return None


@dataclass(kw_only=True)
class StudySummary:
    """One study in short, with the names that a leaderboard uses of ``optuna.Study``."""

    study_name: str
    user_attrs: Mapping[str, Any]
    trials: list[TrialSummary]

    def get_trials(self, deepcopy: bool = False) -> list[TrialSummary]:
        """All trials, in the order of their numbers."""
        return self.trials


def read_summary(place: str, name: str | None) -> StudySummary:
    """The study ``name`` (the only one there is where None) in short; its summary is kept for the next time.

    Raises UnusableInputError as ``open_storage`` and ``choose`` do.
    """
    return _of_database(place, name) if is_database(place) else _of_journal(Path(place), name)


@dataclass
class _Journal:
    """What the lines of a journal up to ``offset`` say."""

    offset: int = 0
    tail: str = ""
    """Hash of the last bytes before ``offset``, which tells another journal of the same name."""
    studies: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    made: int = 0
    """How many studies there ever were."""
    trials: list[TrialSummary] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    """Study -> how many trials it has."""

    def apply(self, line: Mapping[str, Any]) -> None:
        """Follow one operation as Optuna does: what comes after a trial's end, or of a study not there, is nothing."""
        op = line["op_code"]
        if op == Operation.CREATE_STUDY:
            if line["study_name"] not in {name for name, _ in self.studies.values()}:
                self.studies[self.made] = (line["study_name"], {})
                self.made += 1
        elif op == Operation.DELETE_STUDY:
            self.studies.pop(line["study_id"], None)
        elif op == Operation.SET_STUDY_USER_ATTR:
            if line["study_id"] in self.studies:
                self.studies[line["study_id"]][1].update(line["user_attr"])
        elif op == Operation.CREATE_TRIAL:
            if line["study_id"] in self.studies:
                self._create(line)
        elif "trial_id" in line and line["trial_id"] < len(self.trials):
            self._update(self.trials[line["trial_id"]], line)

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
        op = line["op_code"]
        if op == Operation.SET_TRIAL_STATE_VALUES:
            trial.state = TrialState(line["state"])
        elif op == Operation.SET_TRIAL_INTERMEDIATE_VALUE:
            trial.intermediate_values[line["step"]] = line["intermediate_value"]
        elif op == Operation.SET_TRIAL_USER_ATTR:
            trial.note(line["user_attr"])


def _of_journal(path: Path, name: str | None) -> StudySummary:
    kept = Path(f"{path}.digest.json")
    try:
        known = _as_journal(_read(kept))
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
    if new:
        _keep(kept, _journal_as_dict(known))
    found = choose([study for study, _ in known.studies.values()], name)
    number, attrs = next((i, attrs) for i, (study, attrs) in known.studies.items() if study == found)
    return StudySummary(study_name=found, user_attrs=attrs, trials=[t for t in known.trials if t.study == number])


def _operations(text: bytes) -> list[bytes]:
    """The lines of a journal; the last one is left where it is not whole yet, as Optuna leaves it."""
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


def _of_database(url: str, name: str | None) -> StudySummary:
    from optuna.storages import RDBStorage

    from nas.search.storage import open_storage

    storage = open_storage(url)
    assert isinstance(storage, RDBStorage)
    chosen = choose([study.study_name for study in storage.get_all_studies()], name)
    study = storage.get_study_id_from_name(chosen)
    key = hashlib.sha256(f"{url} {chosen} {study}".encode()).hexdigest()[:24]
    kept = user_cache() / "digests" / f"{key}.json"
    before = _known_trials(kept)
    new = _fetched(storage, study, before)
    last = max(before, default=None)
    if last is not None and (last not in new or new[last].network != before[last].network):
        before, new = {}, _fetched(storage, study, {})  # a study of this name in a database made anew
    trials = before | new
    _keep(kept, {"trials": [[i, t.as_list()] for i, t in trials.items()]})
    ordered = sorted(trials.values(), key=lambda t: t.number)
    return StudySummary(study_name=chosen, user_attrs=storage.get_study_user_attrs(study), trials=ordered)


def _fetched(storage: RDBStorage, study: int, known: Mapping[int, TrialSummary]) -> dict[int, TrialSummary]:
    """By their identity the trials that are new or were not finished, and the last one known."""
    from nas.optuna_private import trials_after

    last = max(known, default=-1)
    wanted = {last, *(i for i, trial in known.items() if not trial.state.is_finished())}
    found: dict[int, TrialSummary] = {}
    for trial_id, trial in trials_after(storage, study, last, wanted).items():
        short = found[trial_id] = TrialSummary(number=trial.number, study=study, state=TrialState(trial.state))
        short.note(trial.user_attrs)
        short.intermediate_values.update(trial.intermediate_values)
    return found


def _known_trials(kept: Path) -> dict[int, TrialSummary]:
    try:
        return {i: TrialSummary.from_list(values) for i, values in _read(kept).get("trials", ())}
    except MALFORMED:
        return {}


def _read(kept: Path) -> Mapping[str, Any]:
    """A summary as it was kept; empty where there is none of this version."""
    try:
        document = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) and document.get("version") == VERSION else {}


def _keep(kept: Path, document: Mapping[str, Any]) -> None:
    """Write a summary whole or not at all; where nothing can be written the next reading is slow, and that is all."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(kept, json.dumps({"version": VERSION, **document}, separators=(",", ":")))
