"""The study: the names of its attributes, and what it was made with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from constraints.errors import UnusableInputError

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

IDENTITY = "identity"
"""Study attribute: the settings that all its trials share; a launch with another identity is refused."""
REJECTED = "rejected"
"""Study attribute: rule -> number of proposals that it rejected."""
CONFIRMED = "confirmed:"
"""Study attribute, followed by a trial's number: its nas.search.retraining.Confirmation as a table."""
FINALIST = "finalist"
"""Study attribute: ``trial`` and ``epochs`` of the confirmation in progress; empty where there is none."""
WON = "won"
"""Study attribute: the trials whose networks were confirmed over the target, which ended the search."""
CURVE = "curve"
"""Trial attribute: its epochs so far, each a nas.training.training_run.Epoch as a table."""
MEASURED = "measured"
"""Trial attribute: name -> value of its network's measured metrics and objectives."""
WHY = "why"
"""Trial attribute: one sentence for each decision on its candidate at a rung, with the reason."""
FIXED = "fixed_params"
"""System attribute of a trial, in which Optuna stores the values of ``enqueue_trial``."""
REASON = "reason"
"""Trial attribute: why it failed or was pruned."""
SOURCE = "source"
"""Study attribute: where its data was read from."""
DATA = "data"
"""Study attribute: name of its data."""
IMAGES = "images"
"""Study attribute: the shape of its images and the number of classes."""
PRIOR = "prior"
"""Study attribute: the proxy's weights, if fitted to another study's results."""
VALIDATION_IMAGES = "validation_images"
"""Study attribute: how many images each validation accuracy is measured on (``nas.search.measure.images_of``)."""
PRECISIONS = "precisions"
"""Study attribute: CPU class -> the precision that ``auto`` means on it."""
LAUNCHES = "launches"
"""Study attribute: command, time, version and machine of its launches (``nas.search.provenance``)."""
FILES = "files"
"""Study attribute: its identifier, and the name of the folder of its files."""
TARGET = "target"
"""Study attribute: what a candidate's first objective, a validation accuracy, must exceed, or None."""

REMEDIES = {
    "data": "use the data that the study was made with, or another --study",
    "space": "leave --space out to keep its own, or use another --study",
    "constraints": "leave them out to keep its own, or use another --study",
    "seed": "leave --seed out to keep its own, or use another --study",
    "epochs": "leave --epochs out to keep its own, or use another --study",
    "objective": "leave --objective out to keep its own, or use another --study",
}
NO_LONGER_THERE = {
    "space": "its own is no longer the same here: give --space what it was made with, or use another --study",
}
"""Remedies where the user gave nothing that could be left out."""
OPTIONAL = {
    "metrics": "use the file of metrics that the study was made with, or another --study",
    "latency": "launch where the study was made, by the same calibration, or use another --study",
}


Direction = Literal["maximize", "minimize"]


class Described(Protocol):
    """A study of Optuna's, or a summary of one."""

    @property
    def study_name(self) -> str:
        """Its name."""

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """The study attributes, by the names above."""


class _Measured(Protocol):
    @property
    def intermediate_values(self) -> Mapping[int, float]: ...


def create_or_resume(
    storage: BaseStorage,
    name: str,
    made_with: Mapping[str, Any],
    sampler: optuna.samplers.BaseSampler,
    directions: Sequence[Direction] = ("maximize",),
    *,
    asked: Collection[str] = tuple(REMEDIES),
) -> optuna.Study:
    """The study ``name``, created if it does not exist; UnusableInputError where its identity is another one.

    ``asked`` are the keys of it that the user gave and may leave out, which the error's advice depends on.

    ``made_with`` maps each key of REMEDIES, and optionally keys of OPTIONAL, to a JSON value; of a value with ``name``
    and ``hash``, only the hash is compared.
    """
    import optuna

    if name in optuna.get_all_study_names(storage):  # creating it anyway would add a line to a journal
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
    unasked = {key: text for key, text in NO_LONGER_THERE.items() if key not in asked}
    refuse_other(name, known, made_with, REMEDIES | unasked | OPTIONAL)
    if study.user_attrs[IDENTITY].keys() != known.keys():
        study.set_user_attr(IDENTITY, {**study.user_attrs[IDENTITY], "space": made_with["space"]})
    return study


def refuse_other(
    name: str, known: Mapping[str, Any], made_with: Mapping[str, Any], remedies: Mapping[str, str]
) -> None:
    """Raise UnusableInputError where the study ``name``, made with ``known``, differs in a key of ``remedies``."""
    for key, remedy in remedies.items():
        before, now = known.get(key), made_with.get(key)
        if _decisive(before) != _decisive(now):
            raise UnusableInputError(
                f"study {name!r} was made with other {key}: {_short(before)}, not {_short(now)}: {remedy}"
            )


def known_of(storage: BaseStorage, name: str) -> Mapping[str, Any]:
    """What the study ``name`` was made with; empty where it does not exist or has no trial and no identity yet.

    Raises UnusableInputError for a study with trials that no launch made.
    """
    import optuna

    if name not in optuna.get_all_study_names(storage):
        return {}
    study = optuna.load_study(storage=storage, study_name=name)
    return {} if _is_fresh(study) else identity(study)


def _is_fresh(study: optuna.Study) -> bool:
    """Whether a study exists but has no identity and no trial yet."""
    return IDENTITY not in study.user_attrs and not study.get_trials(deepcopy=False)


def identity(study: Described, *needed: str) -> Mapping[str, Any]:
    """The identity of a launched study, with the constraints as a list.

    Raises UnusableInputError for a study that no launch made, or whose identity lacks a ``needed`` key.
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
    """The identity of a study; empty where no launch made it, as for ``study.optimize`` with a user's objective."""
    return identity(study) if IDENTITY in study.user_attrs else {}


def data_place(study: Described, default: str) -> str:
    """Where the last launch read the data of a study, as ``--data`` takes it; ``default`` where that is not stored.

    Where ``auto`` fell back to the digits, that is the digits: CIFAR-10, once it can be had, would be other data.
    Raises UnusableInputError where the stored value is not one that this tool writes.
    """
    place = study.user_attrs.get(SOURCE, default)
    if not isinstance(place, str):
        raise foreign(study, f"its {SOURCE} is of another kind")
    return "digits" if (place, study.user_attrs.get(DATA)) == ("auto", "digits") else place


def foreign(study: Described, reason: str) -> UnusableInputError:
    """The error for a study with content that this tool did not write: of another program, or damaged since."""
    made_with = study.user_attrs.get(IDENTITY)
    if isinstance(made_with, Mapping) and "data" in made_with:
        return UnusableInputError(
            f"study {study.study_name!r} is damaged: {reason}: restore its storage from a copy, or give another study"
        )
    return UnusableInputError(f"study {study.study_name!r} was not made by this tool: {reason}: give another")


def _texts(value: Any) -> list[str]:
    """Expressions; studies made by earlier versions store them as one text, separated by ", "."""
    return [str(text) for text in ((value.split(", ") if value else []) if isinstance(value, str) else value)]


def _as_it_is(value: Any) -> Any:
    return value


def _named(value: Mapping[str, Any]) -> dict[str, Any]:
    table = {"table": value["table"]} if "table" in value else {}
    return {"name": str(value.get("name", "")), "hash": str(value["hash"]), **table}


_READ: Mapping[str, Callable[[Any], Any]] = {
    "data": _named, "space": _named, "constraints": _texts, "seed": int, "epochs": int, "objective": str,
    "first_rung": int,
    "metrics": _named, "latency": _named,
}  # fmt: skip
MALFORMED = (LookupError, TypeError, ValueError, OverflowError, AttributeError, RecursionError)
"""Errors that reading a value of an unexpected shape raises."""


def accuracy(trial: _Measured) -> float | None:
    """A trial's latest value of the study's first objective, a validation accuracy.

    None before its first epoch.
    """
    return trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else None


def _decisive(value: Any) -> Any:
    """The part of an identity's value that is compared: its hash where it has one, whatever its name."""
    return value["hash"] if isinstance(value, Mapping) else value


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['name'] or 'one without a name'} ({value['hash'][:8]})"
    return ", ".join(value) if isinstance(value, list) else "none" if value is None else str(value)
