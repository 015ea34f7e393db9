"""What a person names as a teacher -> its networks with their weights, kept with the study whose students it teaches.

A trial of a study (``0``, ``best``, ``STUDY:TRIAL``, ``STORAGE#STUDY:TRIAL``), a champion or an export
(``FILE.safetensors``, ``FILE.pt2``, ``FILE.py``, which is not run: what counts is the file of weights beside it).
Nothing pickled is read.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from nas import atomic
from nas.architecture.spec import parse
from nas.champions.names import is_champion
from nas.search import weights_file
from nas.search.best_trials import best_trials
from nas.search.confirmation import confirmations
from nas.search.given_proposals import key_of
from nas.search.study import CURVE, identity, open_study
from nas.search.study_folder import study_folder
from nas.search.trained_weights import trained_weights
from nas.search.training_way import Taught
from nas.space.attributes import ARCHITECTURE
from nas.user_cache import expanded

if TYPE_CHECKING:
    import optuna
    import torch
    from optuna.trial import FrozenTrial

    from nas.champions.registry import Champion
    from nas.training.datasets import Dataset
    from nas.training.teacher import Member, Teacher

EXPORTS = (".safetensors", ".pt2", ".py")
_WHOLE = "the whole training set"
"""What an export says of its images where it was trained on the validation images too."""
_TYPES = {6: "float16", 7: "float32", 5: "int64"}
"""Of the tensors in a torch.export archive (``torch._export.serde.schema.ScalarType``)."""


def read(asked: Sequence[str] | None, *, storage: str, study: str, dataset: Dataset) -> Teacher | None:
    """The teacher of several names, an ensemble; None where none is asked for.

    Raises UnusableInputError for what is not there, not trained, damaged, or made for other images or classes. No name
    and no error holds a database's password.
    """
    if not asked:
        return None
    from nas.training.teacher import Teacher

    with _masked_errors():
        return Teacher(members=tuple(_checked(_member(text, storage, study, dataset), dataset) for text in asked))


def check(asked: Sequence[str] | None, *, storage: str, study: str) -> None:
    """Raise UnusableInputError for teachers that are not there, whatever the data; their weights are not read."""
    with _masked_errors():
        for text in asked or ():
            if is_champion(text):
                _champion(text)
            elif text.endswith(EXPORTS):
                _check_export(text)
            else:
                with ExitStack() as opened:
                    _trial(text, storage, study, opened)


def taught(teacher: Teacher | None) -> Taught | None:
    """What a study keeps of a teacher in its identity."""
    return None if teacher is None else Taught(name=teacher.name, hash=teacher.hash)


def kept(folder: Path, known: Taught | None, teacher: Teacher | None = None) -> Teacher | None:
    """The teacher of a study, from the study's ``folder``, into which one that is given is written where it is not.

    Raises UnusableInputError where its files are missing or are no longer what the study was made with.
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
            "study was made, or run launch or train on the study with its --teacher, which writes it anew"
        )
    return found


def notes(teacher: Teacher | None) -> list[str]:
    """What a person should know of a teacher, a line each."""
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
    """Raise errors that quote what a person gave without the passwords in it."""
    from nas.search.storage import masked

    try:
        yield
    except UnusableInputError as error:
        text = str(error)
        if masked(text) == text:
            raise
        raise UnusableInputError(masked(text)) from None  # whose cause would print the password


def _read(place: Path, known: Taught) -> Teacher | None:
    """What is kept; None for nothing, and for what is not the ``known`` one."""
    from nas.training.teacher import Member, Teacher

    try:
        table = json.loads((place / "members.json").read_bytes())
        members = [
            Member(**{**one, **_scales(one), "weights": (place / f"{number}.safetensors").read_bytes()})
            for number, one in enumerate(table)
        ]
        found = Teacher(members=tuple(members))
        return found if found.hash == known.hash else None
    except Exception:  # of bytes that are anything the readers may raise anything
        return None


def _member(text: str, storage: str, study: str, dataset: Dataset) -> Member:
    if is_champion(text):
        return _of_champion(text, dataset)
    if text.endswith(EXPORTS):
        return _of_export(text, dataset)
    with ExitStack() as opened:
        return _of_trial(text, *_trial(text, storage, study, opened), dataset)


def _trial(text: str, storage: str, study: str, opened: ExitStack) -> tuple[optuna.Study, FrozenTrial, str]:
    """The trial that a text names, its study and the storage of that, until ``opened`` is closed."""
    place, _, rest = text.rpartition("#")
    name, _, trial = rest.rpartition(":")
    try:
        found = opened.enter_context(open_study(place or storage, name or study))
    except UnusableInputError as error:
        raise UnusableInputError(f"--teacher {text}: {error}") from None
    return found, _found(text, found, trial), place or storage


def _champion(text: str) -> Champion:
    """One whose weights ship."""
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
    from nas.search.storage import masked
    from nas.training.teacher import Member

    if ARCHITECTURE not in trial.user_attrs:
        raise UnusableInputError(f"--teacher {text}: its network is code of a person's own: export it, give the file")
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
    """The trial of a number, or the best one."""
    trials = study.get_trials(deepcopy=False)
    if wanted == "best":
        if ranked := best_trials(study, trials):
            return ranked[0]
        raise UnusableInputError(f"--teacher {text}: no trial that keeps the rules is complete: name one, or another")
    found = next((t for t in trials if str(t.number) == wanted), None)
    if found is None:
        raise UnusableInputError(
            f"--teacher: no such trial: {text!r}: give a trial, STUDY:TRIAL or a file that ends with "
            f"{', '.join(EXPORTS)}"
        )
    return found


def _place_of_export(text: str) -> str:
    """The file that holds the weights."""
    return f"{text.removesuffix('.py')}.safetensors" if text.endswith(".py") else text


def _check_export(text: str) -> None:
    place = _place_of_export(text)
    try:
        with expanded(place).open("rb"):
            pass
    except OSError as error:
        raise _unreadable(place, error) from None


def _unreadable(place: str, error: OSError) -> UnusableInputError:
    return UnusableInputError(f"cannot read {place}: {error.strerror or error}: give another --teacher")


def _of_export(text: str, dataset: Dataset) -> Member:
    """The network of an exported file, as its metadata says it."""
    from nas.search.storage import masked
    from nas.training.teacher import Member

    place = _place_of_export(text)
    reader = _program if place.endswith(".pt2") else _safetensors
    try:
        about, weights = reader(expanded(place))
        data, training = (json.loads(about.get(name) or "{}") for name in ("data", "training"))
        architecture = str(about["architecture"])
        parse(architecture)
    except OSError as error:
        raise _unreadable(place, error) from None
    except Exception as error:  # of bytes that are anything the readers may raise anything
        raise UnusableInputError(
            f"unusable teacher: {place}: it is none of this tool's exports, or damaged: export the network again"
        ) from error
    if not training:
        raise UnusableInputError(f"--teacher {text}: the network is untrained: export a trained one")
    if data.get("hash") != dataset.content_hash and data.get("classes") != list(dataset.classes):
        raise UnusableInputError(f"--teacher {text}: it was trained on other data: give one of the same classes")
    return Member(
        name=masked(text),
        architecture=architecture,
        weights=weights,
        saw_validation=training.get("images") == _WHOLE,
        **_scales(data),
    )


def _safetensors(path: Path) -> tuple[Mapping[str, str], bytes]:
    """Metadata and bytes of a file of weights."""
    from safetensors import safe_open

    content = path.read_bytes()
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}, content


def _program(path: Path) -> tuple[Mapping[str, str], bytes]:
    """Metadata and weights of a torch.export program: plain bytes with a table, of which nothing is unpickled."""
    import torch
    from safetensors.torch import save

    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        config = json.loads(archive.read(f"{root}/data/weights/model_weights_config.json"))["config"]
        names = {name.rpartition("/")[2]: name for name in archive.namelist() if name.startswith(f"{root}/extra/")}
        about = {name: archive.read(place).decode() for name, place in names.items()}
        state: dict[str, torch.Tensor] = {}
        for name, entry in config.items():
            if entry["use_pickle"]:
                raise ValueError(f"{name} is pickled")
            meta = entry["tensor_meta"]
            content = bytearray(archive.read(f"{root}/data/weights/{entry['path_name']}"))
            flat = torch.frombuffer(content, dtype=getattr(torch, _TYPES[meta["dtype"]]))
            sizes, strides = ([one["as_int"] for one in meta[key]] for key in ("sizes", "strides"))
            state[name] = torch.as_strided(flat, sizes, strides).clone().contiguous()
    return about, save(state)


def _scales(table: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Mean and deviation of each channel, where both are known."""
    if not table.get("mean") or not table.get("std"):
        return {"mean": (), "std": ()}
    return {name: tuple(float(value) for value in table[name]) for name in ("mean", "std")}


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
