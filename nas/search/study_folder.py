"""The folder of a study's files, and whose it is: studies of one name in one place share no folder."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from nas import atomic
from nas.search.confirm import digest
from nas.search.storage import runs_folder
from nas.search.study import CURVE, FILES, foreign, shared
from nas.search.worker import read_progress
from nas.space.attributes import ARCHITECTURE

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MARK = "study.json"
"""The file in a folder that says which study it belongs to."""
_SHORT = 8


@dataclass(frozen=True, kw_only=True)
class StudyFolder:
    """Where a study's files are; one of an earlier version bears no mark."""

    path: Path
    is_marked: bool


def claim(place: str, study: optuna.Study) -> Path:
    """The folder for the files of ``study``, which keeps the storage ``place``; the caller holds the study.

    That is the folder of its name, unless that one belongs to another study: then one with the study's identifier in
    its name. What a folder without a mark holds must be what the study's trials tell. Raises UnusableInputError
    where neither may be used.
    """
    known = _known(study)
    identifier = known.get("id") or secrets.token_hex(16)
    name = study.study_name
    names = [known["folder"]] if known else [name, f"{name}-{identifier[:_SHORT]}"]
    mark = {"study": name, "id": identifier, "data": _data(study)}
    for chosen in names:
        folder = runs_folder(place) / chosen
        found = _mark(folder)
        if found is None and not contradicts(folder, study):
            folder.mkdir(parents=True, exist_ok=True)
            atomic.write(folder / MARK, json.dumps(mark))
            found = mark
        if found is not None and _is_same(found, mark):
            if not known:
                study.set_user_attr(FILES, {"id": identifier, "folder": chosen})
            return folder
    raise _of_another(runs_folder(place) / names[-1], found)


def study_folder(place: str, study: optuna.Study) -> StudyFolder:
    """Where the files of ``study`` are, for readers; UnusableInputError where the folder belongs to another study."""
    known = _known(study)
    folder = runs_folder(place) / known.get("folder", study.study_name)
    found = _mark(folder)
    if found is not None and not _is_same(found, {"id": known.get("id", ""), "data": _data(study)}):
        raise _of_another(folder, found)
    return StudyFolder(path=folder, is_marked=found is not None)


def contradicts(folder: Path, study: optuna.Study) -> bool:
    """Whether a folder without a mark holds trainings that the study does not know as they are."""
    return any(_contradictions(folder, study.get_trials(deepcopy=False)))


def is_beginning(curve: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of two curves continues the other: the same loss and accuracy after each epoch that both have."""
    return all(a.get(key) == b.get(key) for a, b in zip(curve, other, strict=False) for key in ("loss", "val_accuracy"))


def _known(study: optuna.Study) -> dict[str, str]:
    """Identifier and folder name as the study keeps them; nothing before its first launch by this version."""
    known: Any = study.user_attrs.get(FILES, {})
    if not known:
        return {}
    try:
        identifier, folder = str(known["id"]), str(known["folder"])
    except (TypeError, KeyError):
        raise foreign(study, f"its {FILES} is of another kind") from None
    if folder not in {study.study_name, f"{study.study_name}-{identifier[:_SHORT]}"}:  # it may point anywhere
        raise foreign(study, f"its folder has another name: {folder}")
    return {"id": identifier, "folder": folder}


def _data(study: optuna.Study) -> str:
    """The hash of the study's data; empty where it is not known."""
    made_with: Any = shared(study).get("data")
    return str(made_with["hash"]) if made_with else ""


def _mark(folder: Path) -> dict[str, str] | None:
    try:
        text = (folder / MARK).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return {key: str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        raise UnusableInputError(
            f"cannot read {folder / MARK}: it is damaged: remove it where {folder} is this study's"
        ) from None


def _is_same(mark: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(mark.get(key) == other[key] for key in ("id", "data"))


def _of_another(folder: Path, mark: Mapping[str, str] | None) -> UnusableInputError:
    whose = f"the study {mark.get('study')!r} of another storage" if mark else "another study"
    return UnusableInputError(
        f"the files in {folder} are not of this study: they belong to {whose}: "
        "move that folder away, or keep each storage in a folder of its own"
    )


def _contradictions(folder: Path, trials: Sequence[FrozenTrial]) -> Iterator[Path]:
    """Trainings in a folder without a mark that the study does not know as they are."""
    by_number = {trial.number: trial for trial in trials}
    for place in sorted(folder.glob("trial-*")):
        trial = by_number.get(_number(place))
        if trial is None or not is_beginning(_progress(place), trial.user_attrs.get(CURVE, ())):
            yield place
    for place in sorted(folder.glob("confirm-*")):
        trial = by_number.get(_number(place))
        if trial is None or not place.name.endswith(digest(trial.user_attrs.get(ARCHITECTURE, ""))):
            yield place


def _progress(place: Path) -> list[dict[str, Any]]:
    """The curve in a trial's folder; a damaged one contradicts nothing."""
    try:
        return read_progress(place)
    except (ValueError, TypeError):
        return []


def _number(place: Path) -> int:
    digits = "".join(takewhile(str.isdecimal, place.name.partition("-")[2]))
    return int(digits) if digits else -1
