"""The study: what its trials were made with, and how one is opened again."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.arguments import checked
from nas.defaults import STORAGE

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

IDENTITY = "identity"
"""Study attribute: what every trial of the study shares; a launch with another identity is refused."""
REJECTED = "rejected"
"""Study attribute: rule -> number of proposals that it rejected."""
CONFIRMED = "confirmed:"
"""Study attribute, followed by a trial's number: its nas.search.confirm.Confirmation as a table."""
FINALIST = "finalist"
"""Study attribute: ``trial`` and ``epochs`` of the confirmation that is under way; empty where there is none."""
WON = "won"
"""Study attribute: the trials whose networks a search confirmed over the target, and ended at."""
CURVE = "curve"
"""Trial attribute: its epochs so far, each a nas.training.train.Epoch as a table."""
MEASURED = "measured"
"""Trial attribute: name -> value of what its network was measured by beside the counted metrics, and of objectives."""
WHY = "why"
"""Trial attribute: for each decision on its candidate at a rung, a sentence that says what it was by."""
REASON = "reason"
"""Trial attribute: why it failed or was pruned."""
SOURCE = "source"
"""Study attribute: where its data was read from."""
DATA = "data"
"""Study attribute: name of its data."""
IMAGES = "images"
"""Study attribute: the shape of its images and the number of classes."""
PRIOR = "prior"
"""Study attribute: the weights of a proxy that another study's results gave."""
VALIDATION_IMAGES = "validation_images"
"""Study attribute: how many images each validation accuracy is over (``nas.search.measure.images_of``)."""
PRECISIONS = "precisions"
"""Study attribute: CPU class -> the precision that ``auto`` is on a CPU of it."""
LAUNCHES = "launches"
"""Study attribute: the command, moment, version and machine of its launches (``nas.search.provenance``)."""
FILES = "files"
"""Study attribute: its identifier, and the name of the folder of its files."""
TARGET = "target"
"""Study attribute: what a candidate's first objective, a validation accuracy, must exceed, or None."""

REMEDIES = {
    "data": "use the data that the study was made with, or another --study",
    "space": "use the space that the study was made with, or another --study",
    "constraints": "use the constraints that the study was made with, or another --study",
    "seed": "keep the seed, or use another --study",
    "epochs": "keep the budget of a candidate, or use another --study",
    "objective": "keep the objective, or use another --study",
}
OPTIONAL = {
    "metrics": "use the file of metrics that the study was made with, or another --study",
    "latency": "launch where the study was made, by the same calibration, or use another --study",
}


class NewestStudyWarning(UserWarning):
    """No study was named, and the storage holds several."""


Direction = Literal["maximize", "minimize"]


class Described(Protocol):
    """A study of Optuna's, or a summary of one."""

    @property
    def study_name(self) -> str:
        """Its name."""

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """What its trials share, by the names above."""


class _Measured(Protocol):
    @property
    def intermediate_values(self) -> Mapping[int, float]: ...


def create_or_resume(
    storage: BaseStorage,
    name: str,
    made_with: Mapping[str, Any],
    sampler: optuna.samplers.BaseSampler,
    directions: Sequence[Direction] = ("maximize",),
) -> optuna.Study:
    """The study ``name``, made where it is new; UnusableInputError where it was made with another identity.

    ``made_with`` maps each key of REMEDIES, and of OPTIONAL those that there are, to a JSON value;
    of one with ``name`` and ``hash`` only the hash counts.
    """
    import optuna

    if name in optuna.get_all_study_names(storage):  # to make it all the same adds a line to a journal
        study = optuna.load_study(storage=storage, study_name=name, sampler=sampler)
    else:
        study = optuna.create_study(
            storage=storage, study_name=name, sampler=sampler, directions=list(directions), load_if_exists=True
        )
    if _is_fresh(study):
        study.set_user_attr(IDENTITY, dict(made_with))
        return study
    known = identity(study)
    if "space" not in known and "space" in made_with and "data" in known:  # made for given networks alone
        known = {**known, "space": made_with["space"]}
    elif "space" in known and "space" not in made_with:
        made_with = {**made_with, "space": known["space"]}
    refuse_other(name, known, made_with, REMEDIES | OPTIONAL)
    if study.user_attrs[IDENTITY].keys() != known.keys():
        study.set_user_attr(IDENTITY, {**study.user_attrs[IDENTITY], "space": made_with["space"]})
    return study


def refuse_other(name: str, known: Mapping[str, Any], made_with: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Raise UnusableInputError where the study ``name``, ``known`` by its identity, has another of ``keys``."""
    for key in keys:
        before, now = known.get(key), made_with.get(key)
        if _decisive(before) != _decisive(now):
            raise UnusableInputError(
                f"study {name!r} was made with other {key}: {_short(before)}, not {_short(now)}: "
                f"{(REMEDIES | OPTIONAL)[key]}"
            )


def known_of(storage: BaseStorage, name: str) -> Mapping[str, Any]:
    """What the study ``name`` was made with; nothing where there is no such study, or none of its trials is made.

    Raises UnusableInputError for one with trials that no launch made.
    """
    import optuna

    if name not in optuna.get_all_study_names(storage):
        return {}
    study = optuna.load_study(storage=storage, study_name=name)
    return {} if _is_fresh(study) else identity(study)


def _is_fresh(study: optuna.Study) -> bool:
    """Whether a study is made and nothing is known of it yet."""
    return IDENTITY not in study.user_attrs and not study.get_trials(deepcopy=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Optuna logs of every study and trial off stderr until the end of the block, unless logs are wanted."""
    import optuna

    level = optuna.logging.get_verbosity()
    is_wanted = logging.getLogger().isEnabledFor(logging.INFO)
    optuna.logging.set_verbosity(optuna.logging.INFO if is_wanted else optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


@checked
@contextmanager
def open_study(storage: str | Path = STORAGE, study: str | None = None) -> Iterator[optuna.Study]:
    """An existing study, whose storage's connections the end of the block closes.

    ``study`` None is the newest. Raises UnusableInputError where the storage cannot be opened or holds no
    such study.
    """
    from nas.search.storage import close_storage, one_line_damage, open_storage

    opened = open_storage(str(storage))
    try:
        with one_line_damage(str(storage)):
            yield load(opened, study)
    finally:
        close_storage(opened)


def identity(study: Described, *needed: str) -> Mapping[str, Any]:
    """What every trial of a launched study shares, the constraints as a list.

    Raises UnusableInputError for a study that no launch made, or in whose identity a key that is ``needed`` is missing.
    """
    found = study.user_attrs.get(IDENTITY)
    if found is None:
        raise UnusableInputError(
            f"study {study.study_name!r} was made by no launch: its data and constraints are not known: give another"
        )
    try:
        read = {key: _READ.get(key, _as_it_is)(value) for key, value in found.items()}
        missing = [key for key in needed if key not in read]
    except MALFORMED:
        read, missing = {}, [IDENTITY]
    if missing:
        raise foreign(study, f"its {missing[0]} is missing, or of another kind")
    return read


def shared(study: Described) -> Mapping[str, Any]:
    """The identity of a study; nothing where no launch made it, which trials of one's own objective need not."""
    return identity(study) if IDENTITY in study.user_attrs else {}


def foreign(study: Described, reason: str) -> UnusableInputError:
    """The error that refuses a study which holds something else than this tool writes."""
    return UnusableInputError(f"study {study.study_name!r} was not made by this tool: {reason}: give another")


def _texts(value: Any) -> list[str]:
    """Expressions; studies made by earlier versions keep them as one text with ", " between."""
    return [str(text) for text in ((value.split(", ") if value else []) if isinstance(value, str) else value)]


def _as_it_is(value: Any) -> Any:
    return value


def _named(value: Mapping[str, Any]) -> dict[str, str]:
    return {"name": str(value.get("name", "")), "hash": str(value["hash"])}


_READ: Mapping[str, Callable[[Any], Any]] = {
    "data": _named, "space": _named, "constraints": _texts, "seed": int, "epochs": int, "objective": str,
    "first_rung": int,
    "metrics": _named, "latency": _named,
}  # fmt: skip
MALFORMED = (LookupError, TypeError, ValueError, OverflowError, AttributeError)
"""What reading a value of another shape than expected raises."""


def load(storage: BaseStorage, name: str | None) -> optuna.Study:
    """An existing study; with no name the newest."""
    import optuna

    names = sorted((study.study_name for study in storage.get_all_studies()), key=storage.get_study_id_from_name)
    return optuna.load_study(storage=storage, study_name=choose(names, name))


def choose(names: Sequence[str], name: str | None) -> str:
    """``name``, or the last of ``names``, the newest, with a NewestStudyWarning where there are several.

    Raises UnusableInputError where there is none, or none of that name.
    """
    if not names:
        raise UnusableInputError("no study in this storage: nothing was launched here: launch one, or give --storage")
    if name is None and len(names) > 1:
        message = f"{len(names)} studies in this storage, the newest is taken: {names[-1]}: --study chooses another"
        warnings.warn(message, NewestStudyWarning, stacklevel=2)
    if name is not None and name not in names:
        raise UnusableInputError(
            f"no such study: {name!r}: {nearest(name, names, 'this storage holds ' + ', '.join(names))}"
        )
    return name or names[-1]


def accuracy(trial: _Measured) -> float | None:
    """The score of a trial as far as it was trained: its study's first objective, a validation accuracy.

    None before its first epoch.
    """
    return trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else None


def _decisive(value: Any) -> Any:
    """What makes an identity: of a value with a hash (data, a space) the hash, however it is called."""
    return value["hash"] if isinstance(value, Mapping) else value


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['name']} ({value['hash'][:8]})"
    return ", ".join(value) if isinstance(value, list) else "none" if value is None else str(value)
