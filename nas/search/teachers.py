"""Finds the networks and weights that the user names as a teacher, and stores them with the students' study.

A trial of a study (``0``, ``best``, ``STUDY:TRIAL``, ``STORAGE#STUDY:TRIAL``), a champion or an export
(``FILE.safetensors``, ``FILE.pt2``, ``FILE.py``, which is not run: only the file of weights beside it is read).
Nothing pickled is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas import atomic
from nas.architecture.spec import parse
from nas.champions.names import is_champion
from nas.passwords import masked
from nas.search import weights_file
from nas.search.confirmation import confirmations
from nas.search.given_proposals import key_of
from nas.search.study import CURVE, identity
from nas.search.study_folder import study_folder
from nas.search.study_opening import open_study
from nas.search.taught import Taught
from nas.search.teacher_exports import EXPORTS, OF_CODE, check_export, of_export, scales
from nas.search.trained_weights import trained_weights
from nas.search.trial_order import best_trials
from nas.space.attributes import ARCHITECTURE

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from nas.champions.registry import Champion
    from nas.training.decoded import Dataset
    from nas.training.teacher import Member, Teacher


def read(asked: Sequence[str] | None, *, storage: str, study: str, dataset: Dataset) -> Teacher | None:
    """The teacher: an ensemble where several are named; None where none is.

    Raises UnusableInputError for a teacher that is missing, untrained, damaged, or made for other images or classes.
    Names and errors never contain a database's password.
    """
    if not asked:
        return None
    from nas.training.teacher import Teacher

    with _masked_errors():
        return Teacher(members=tuple(_checked(_member(text, storage, study, dataset), dataset) for text in asked))


def check(asked: Sequence[str] | None, *, storage: str, study: str) -> None:
    """Raise UnusableInputError for teachers that do not exist, whatever the data, without reading their weights."""
    with _masked_errors():
        for text in asked or ():
            if is_champion(text):
                _champion(text)
            elif text.endswith(EXPORTS):
                check_export(text)
            else:
                with ExitStack() as opened:
                    _trial(text, storage, study, opened)


def taught(teacher: Teacher | None) -> Taught | None:
    """The teacher as the identity of a study stores it."""
    return None if teacher is None else Taught(name=teacher.name, hash=teacher.hash)


def kept(folder: Path, known: Taught | None, teacher: Teacher | None = None) -> Teacher | None:
    """The teacher of a study, read from the study's ``folder``; a given ``teacher`` is written there first if missing.

    Raises UnusableInputError where its files are missing or have changed since the study was made.
    """
    if known is None:
        return None
    place = folder / f"teacher-{known.hash[:16]}"
    found = _read(place, known)
    if found is None and teacher is not None and teacher.hash == known.hash:
        _write(place, teacher)
        found = _read(place, known)
    if found is None:
        raise UnusableInputError(
            f"the teacher {known.name} of the study is missing or damaged: {place}: copy that folder from where the "
            "study was made, or run launch or train on the study with its --teacher, which writes it again"
        )
    return found


def notes(teacher: Teacher | None) -> list[str]:
    """Messages about a teacher, a line each."""
    if teacher is None or not any(member.saw_validation for member in teacher.members):
        return []
    return ["the teacher was trained on the validation images too: its students' validation accuracy may be too high"]


def _write(place: Path, teacher: Teacher) -> None:
    place.mkdir(parents=True, exist_ok=True)
    table = []
    for number, member in enumerate(teacher.members):
        atomic.write(place / f"{number}.safetensors", member.weights)
        table.append({name: value for name, value in vars(member).items() if name not in {"weights", "digest"}})
    atomic.write(place / "members.json", json.dumps(table))  # last: where it is, the others are


@contextmanager
def _masked_errors() -> Iterator[None]:
    """Remove passwords from errors that quote what the user gave."""
    try:
        yield
    except UnusableInputError as error:
        text = str(error)
        if masked(text) == text:
            raise
        raise UnusableInputError(masked(text)) from None  # whose cause would print the password


def _read(place: Path, known: Taught) -> Teacher | None:
    """The stored teacher; None where there is none, or where it is not the ``known`` one."""
    from nas.training.teacher import Member, Teacher

    try:
        table = json.loads((place / "members.json").read_bytes())
        members = []
        for number, one in enumerate(table):
            standard = scales(one, parse(one["architecture"]).input[0])
            weights = (place / f"{number}.safetensors").read_bytes()
            members.append(Member(**{**one, **standard, "weights": weights}))
        found = Teacher(members=tuple(members))
        return found if found.hash == known.hash else None
    except Exception:  # on arbitrary bytes, the readers may raise anything
        return None


def _member(text: str, storage: str, study: str, dataset: Dataset) -> Member:
    if is_champion(text):
        return _of_champion(text, dataset)
    if text.endswith(EXPORTS):
        return of_export(text, dataset)
    with ExitStack() as opened:
        return _of_trial(text, *_trial(text, storage, study, opened), dataset)


def _trial(text: str, storage: str, study: str, opened: ExitStack) -> tuple[optuna.Study, FrozenTrial, str]:
    """The trial that a text names, its study and its storage, usable until ``opened`` is closed."""
    place, _, rest = text.rpartition("#")
    name, _, trial = rest.rpartition(":")
    if trial != "best" and not trial.isdecimal():
        raise _no_trial(text)
    try:
        found = opened.enter_context(open_study(place or storage, name or study))
    except UnusableInputError as error:
        raise UnusableInputError(f"--teacher {text}: {error}") from None
    return found, _found(text, found, trial), place or storage


def _champion(text: str) -> Champion:
    """A champion whose weights are shipped."""
    from nas.champions.registry import find

    champion = find(text)
    if champion.path is None:
        raise UnusableInputError(f"--teacher {text}: no weights of {champion.name} ship: train it, and name the trial")
    return champion


def _of_champion(text: str, dataset: Dataset) -> Member:
    from nas.training.teacher import Member

    champion = _champion(text)
    assert champion.path is not None
    if champion.data_hash != dataset.content_hash and champion.classes != tuple(dataset.classes):
        raise UnusableInputError(f"--teacher {text}: it was trained on other data: give one of the same classes")
    weights_file.check(champion.path)
    return Member(
        name=champion.name,
        architecture=champion.architecture,
        weights=champion.path.read_bytes(),
        mean=champion.mean,
        std=champion.std,
        saw_validation=True,
    )


def _of_trial(text: str, study: optuna.Study, trial: FrozenTrial, place: str, dataset: Dataset) -> Member:
    from nas.training.teacher import Member

    if ARCHITECTURE not in trial.user_attrs:
        raise UnusableInputError(f"--teacher {text}: {OF_CODE}")
    if identity(study, "data")["data"]["hash"] != dataset.content_hash:
        raise UnusableInputError(f"--teacher {text}: it was trained on other data: give one of the same data")
    confirmed = {
        (one.epochs, seed): found
        for one in confirmations(study, trial.number)
        for seed, found in zip(one.seeds, one.accuracies, strict=True)
    }
    curve = [epoch.get("val_accuracy") for epoch in trial.user_attrs.get(CURVE, ())]
    weights = trained_weights(
        study_folder(place, study), trial.number, key_of(trial.user_attrs), curve=curve, confirmed=confirmed
    )
    if weights is None:
        raise UnusableInputError(f"--teacher {text}: no training of it was finished: confirm it, or name another")
    weights_file.check(weights.path)
    return Member(
        name=masked(text),
        architecture=str(trial.user_attrs[ARCHITECTURE]),
        weights=weights.path.read_bytes(),
        saw_validation=weights.confirmed,
    )


def _found(text: str, study: optuna.Study, wanted: str) -> FrozenTrial:
    """The trial with a number, or the best one."""
    trials = study.get_trials(deepcopy=False)
    if wanted == "best":
        if ranked := best_trials(study, trials):
            return ranked[0]
        raise UnusableInputError(f"--teacher {text}: no trial that keeps the rules is complete: name one, or another")
    found = next((t for t in trials if str(t.number) == wanted), None)
    if found is None:
        raise _no_trial(text)
    return found


def _no_trial(text: str) -> UnusableInputError:
    wanted = f"give a trial, STUDY:TRIAL or a file that ends with {', '.join(EXPORTS)}"
    return UnusableInputError(f"--teacher: no such trial: {text!r}: {wanted}")


def _checked(member: Member, dataset: Dataset) -> Member:
    """The member, tried; UnusableInputError where it is for other images or classes."""
    network = parse(member.architecture)
    if (network.input, network.classes) != (dataset.image_shape, len(dataset.classes)):
        raise UnusableInputError(
            f"--teacher {member.name}: it is for {'x'.join(map(str, network.input))} images of {network.classes} "
            f"classes: give one of the data"
        )
    member.built()
    return member
