"""The folder of a study's files, and its owner: two studies of the same name never share a folder."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from nas import atomic
from nas.search.retraining import digest
from nas.search.stored import folder_name, is_database, runs_folder
from nas.search.study import CURVE, FILES, Described, foreign, shared
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
    """A study's folder; folders of earlier versions have no mark file."""

    path: Path
    is_marked: bool


def claim(place: str, study: optuna.Study) -> Path:
    """The folder for the files of ``study`` in the storage ``place``; the caller holds the study.

    It is named after the study or, where that folder belongs to another study, also after its identifier. The content
    of a folder without a mark must agree with the study's trials. A copy of a storage beside the original gets its own
    identifier. Raises UnusableInputError where no folder may be used.
    """
    known, base = _known(study), _base(place, study, is_server=False)
    if known and _belongs_to_another_storage(_mark(base / known["folder"]), place):
        known = {}
    identifier = known.get("id") or secrets.token_hex(16)
    name = folder_name(study.study_name)
    names = [known["folder"]] if known else [name, f"{name}-{identifier[:_SHORT]}"]
    mark = {"study": name, "id": identifier, "data": _data(study), "storage": _file(place)}
    for chosen in names:
        folder = base / chosen
        found = _mark(folder)
        if found is None and not contradicts(folder, study):
            folder.mkdir(parents=True, exist_ok=True)
            atomic.write(folder / MARK, json.dumps(mark))
            found = mark
        if found is not None and _is_same(found, mark):
            now = {"id": identifier, "folder": chosen, "place": str(base.resolve())}
            if study.user_attrs.get(FILES) != now:
                study.set_user_attr(FILES, now)
            return folder
    raise _of_another(base / names[-1], found)


def study_folder(place: str, study: optuna.Study) -> StudyFolder:
    """The folder of ``study``'s files, for readers; UnusableInputError where it belongs to another study."""
    known = _known(study)
    folder = _base(place, study, is_server=True) / known.get("folder", folder_name(study.study_name))
    found = _mark(folder)
    mine = {"id": known.get("id", ""), "data": _data(study)}
    if found is not None and (not _is_same(found, mine) or _belongs_to_another_storage(found, place)):
        raise _of_another(folder, found)
    return StudyFolder(path=folder, is_marked=found is not None)


def _base(place: str, study: Described, *, is_server: bool) -> Path:
    """The parent of the studies' folders; for a database, where the study's folder was before if it still exists.

    For a database server, only if ``is_server``, which readers set: each launch uses its own machine's folder. Only a
    mark file on this machine is trusted, so that a database cannot point to arbitrary folders.
    """
    base, known = runs_folder(place), _known(study)
    before = Path(known.get("place", ""))
    if not is_database(place) or not before.is_absolute() or not known or not (is_server or _file(place)):
        return base
    if (base / known["folder"] / MARK).exists():
        return base
    mark = _mark(before / known["folder"])
    return before if mark is not None and mark.get("id") == known["id"] else base


def _file(place: str) -> str:
    """The path of a journal or SQLite file, relative to the folder of the runs; empty for a server."""
    path = place
    if is_database(place):
        if not place.startswith("sqlite"):
            return ""
        path = place.partition(":///")[2].partition("?")[0]
    return os.path.relpath(path, runs_folder(place)) if path else ""


def _belongs_to_another_storage(mark: Mapping[str, str] | None, place: str) -> bool:
    """Whether a folder was claimed for another file that still exists, so that this one is a copy of it."""
    other = Path(runs_folder(place) / mark["storage"]) if mark and mark.get("storage") else None
    mine = Path(runs_folder(place) / _file(place))
    return other is not None and other.exists() and mine.exists() and not other.samefile(mine)


def contradicts(folder: Path, study: optuna.Study) -> bool:
    """Whether a folder without a mark contains trainings that disagree with the study."""
    return any(_contradictions(folder, study.get_trials(deepcopy=False)))


def is_beginning(curve: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of two curves continues the other: equal loss and accuracy in each epoch that both have."""
    return all(a.get(key) == b.get(key) for a, b in zip(curve, other, strict=False) for key in ("loss", "val_accuracy"))


def _known(study: Described) -> dict[str, str]:
    """Identifier and folder name that the study stores; empty before its first launch by this version."""
    known: Any = study.user_attrs.get(FILES, {})
    if not known:
        return {}
    try:
        identifier, folder = str(known["id"]), str(known["folder"])
    except (TypeError, KeyError, AttributeError):
        raise foreign(study, f"its {FILES} is of another kind") from None
    if folder not in {study.study_name, f"{study.study_name}-{identifier[:_SHORT]}"}:  # it may point anywhere
        raise foreign(study, f"its folder has another name: {folder}")
    return {"id": identifier, "folder": folder, "place": str(known.get("place", ""))}


def _data(study: Described) -> str:
    """The hash of the study's data; empty where it is not known."""
    made_with: Any = shared(study).get("data")
    return str(made_with["hash"]) if made_with else ""


def _mark(folder: Path) -> dict[str, str] | None:
    try:
        text = (folder / MARK).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnusableInputError(
            f"cannot read {folder / MARK}: {error.strerror}: fix that, or remove it where {folder} is this study's"
        ) from None
    try:
        return {key: str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError, RecursionError):
        raise UnusableInputError(
            f"cannot read {folder / MARK}: it is damaged: remove it where {folder} is this study's"
        ) from None


def _is_same(mark: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(mark.get(key) == other[key] for key in ("id", "data"))


def _of_another(folder: Path, mark: Mapping[str, str] | None) -> UnusableInputError:
    whose = "another study"
    if mark and mark.get("study"):
        whose = f"the study {mark['study']!r} of {mark.get('storage') or 'another storage'}"
    return UnusableInputError(
        f"the files in {folder} are not of this study: they belong to {whose}: "
        "move that folder away, or keep each storage in a folder of its own"
    )


def _contradictions(folder: Path, trials: Sequence[FrozenTrial]) -> Iterator[Path]:
    """Trainings in a folder without a mark that disagree with the study."""
    by_number = {trial.number: trial for trial in trials}
    for place in sorted(folder.glob("trial-*")):
        trial = by_number.get(_number(place))
        if trial is None or not is_beginning(read_progress(place), trial.user_attrs.get(CURVE, ())):
            yield place
    for place in sorted(folder.glob("confirm-*")):
        trial = by_number.get(_number(place))
        if trial is None or not place.name.endswith(digest(trial.user_attrs.get(ARCHITECTURE, ""))):
            yield place


def _number(place: Path) -> int:
    digits = "".join(takewhile(str.isdecimal, place.name.partition("-")[2]))
    return int(digits) if digits else -1
