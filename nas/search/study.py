"""The study: what its trials were made with, and how one is opened again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from constraints.errors import UnusableInputError

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

IDENTITY = "identity"
"""Study attribute: what every trial of the study shares; a launch with another identity is refused."""
REJECTED = "rejected"
"""Study attribute: rule -> number of proposals that it rejected."""
CONFIRMED = "confirmed:"
"""Study attribute, followed by a trial's number: its nas.search.confirm.Confirmation as a table."""
CURVE = "curve"
"""Trial attribute: its epochs so far, each a nas.training.train.Epoch as a table."""
REASON = "reason"
"""Trial attribute: why it failed or was pruned."""
SOURCE = "source"
"""Study attribute: where its data was read from."""
DATA = "data"
"""Study attribute: name of its data."""
PRECISIONS = "precisions"
"""Study attribute: CPU class -> the precision that ``auto`` is on a CPU of it."""
TARGET = "target"
"""Study attribute: the validation accuracy that a candidate must exceed, or None."""

REMEDIES = {
    "data": "use the data that the study was made with, or another --study",
    "space": "use the space that the study was made with, or another --study",
    "constraints": "use the constraints that the study was made with, or another --study",
    "seed": "keep the seed, or use another --study",
    "epochs": "keep the budget of a candidate, or use another --study",
    "objective": "keep the objective, or use another --study",
}


Direction = Literal["maximize", "minimize"]


class _Measured(Protocol):
    @property
    def intermediate_values(self) -> Mapping[int, float]: ...


def create_or_resume(
    storage: BaseStorage,
    name: str,
    identity: Mapping[str, Any],
    sampler: optuna.samplers.BaseSampler,
    directions: Sequence[Direction] = ("maximize",),
) -> optuna.Study:
    """The study ``name``, made where it is new; UnusableInputError where it was made with another identity.

    ``identity`` maps each key of REMEDIES to a JSON value; of one with ``name`` and ``hash`` only the hash counts.
    """
    import optuna

    study = optuna.create_study(
        storage=storage, study_name=name, sampler=sampler, directions=list(directions), load_if_exists=True
    )
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, dict(identity))
        return study
    for key, remedy in REMEDIES.items():
        before, now = _value(known, key), _value(identity, key)
        if _decisive(before) != _decisive(now):
            raise UnusableInputError(
                f"study {name!r} was made with other {key}: {_short(before)}, not {_short(now)}: {remedy}"
            )
    return study


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Optuna logs of every study and trial off stderr until the end of the block."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


@contextmanager
def open_study(storage: str | Path = "runs/journal.log", study: str | None = None) -> Iterator[optuna.Study]:
    """An existing study, whose storage's connections the end of the block closes.

    ``study`` None is the only one there is. Raises UnusableInputError where the storage cannot be opened or holds no
    such study.
    """
    from nas.search.storage import close_storage, open_storage

    opened = open_storage(str(storage))
    try:
        yield load(opened, study)
    finally:
        close_storage(opened)


def identity(study: optuna.Study) -> Mapping[str, Any]:
    """What every trial of a launched study shares; UnusableInputError for a study that no launch made."""
    found: Mapping[str, Any] | None = study.user_attrs.get(IDENTITY)
    if found is None:
        raise UnusableInputError(
            f"study {study.study_name!r} was made by no launch: its data and constraints are not known: give another"
        )
    return found


def constraints_of(identity: Mapping[str, Any]) -> list[str]:
    """The expressions of the constraints that a study was made with; none where its identity names none.

    Studies made by earlier versions keep them as one text with ", " between.
    """
    known = identity.get("constraints") or []
    return known.split(", ") if isinstance(known, str) else list(known)


def load(storage: BaseStorage, name: str | None) -> optuna.Study:
    """An existing study; with no name the only one there is."""
    import optuna

    names = [s.study_name for s in optuna.get_all_study_summaries(storage, include_best_trial=False)]
    return optuna.load_study(storage=storage, study_name=choose(names, name))


def choose(names: Sequence[str], name: str | None) -> str:
    """``name``, or the only one of ``names``; UnusableInputError where that is none or several."""
    if not names:
        raise UnusableInputError("no study in this storage: nothing was launched here: launch one, or give --storage")
    if name is None and len(names) > 1:
        raise UnusableInputError(f"several studies in this storage: {', '.join(names)}: choose one with --study")
    if name is not None and name not in names:
        raise UnusableInputError(f"no such study: {name!r}: this storage holds {', '.join(names)}")
    return name or names[0]


def accuracy(trial: _Measured) -> float | None:
    """Validation accuracy of a trial as far as it was trained; None before its first epoch."""
    return trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else None


def _value(identity: Mapping[str, Any], key: str) -> Any:
    return constraints_of(identity) if key == "constraints" else identity.get(key)


def _decisive(value: Any) -> Any:
    """What makes an identity: of a value with a hash (data, a space) the hash, however it is called."""
    return value["hash"] if isinstance(value, Mapping) else value


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['name']} ({value['hash'][:8]})"
    return ", ".join(value) if isinstance(value, list) else str(value)
