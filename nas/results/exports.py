"""What is exported: a trial, a champion or a network by its text, with its weights and all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, parse_all
from constraints.verdicts import judge
from nas.architecture import named
from nas.architecture.spec import Architecture, parse
from nas.results.export_given import GivenSubject
from nas.results.export_subject import Subject
from nas.results.rows import Row
from nas.results.trial_card import card
from nas.search import weights_file
from nas.search.confirmation import confirmations
from nas.search.given_proposals import networks
from nas.search.retraining import Trained
from nas.search.study import CONFIRMED, DATA, identity
from nas.search.study_data import load_study_data
from nas.search.study_folder import StudyFolder
from nas.search.trained_weights import Weights, trained_weights
from nas.space.analytic import metrics
from nas.words import counted

if TYPE_CHECKING:
    from nas.champions.registry import Champion
    from nas.training.decoded import Dataset


def of_text(text: str) -> Subject | GivenSubject:
    """An untrained network by its name or text, judged by the assignment's constraints."""
    return _subject(named.architecture(text), ASSIGNMENT)


def of_champion(champion: Champion, *, untrained: bool) -> Subject | GivenSubject:
    """A champion with its shipped weights, or untrained; UnusableInputError where none are shipped but wanted."""
    network = parse(champion.architecture)
    if untrained:
        return _subject(network, ASSIGNMENT)
    if champion.path is None:
        raise UnusableInputError(f"no weights of {champion.name} ship: {champion.command} trains it: give --untrained")
    weights_file.check(champion.path)
    weights = Weights(path=champion.path, confirmed=True, test_accuracy=champion.weights_accuracy)
    return _subject(
        network,
        ASSIGNMENT,
        origin=champion.name,
        weights=weights,
        training={
            "images": "the whole training set",
            "recipe": champion.recipe,
            "epochs": champion.epochs,
            "test_accuracy_of_these_weights": champion.weights_accuracy,
            "confirmed_mean": champion.test_accuracy,
        },
        data={
            "name": champion.data,
            "hash": champion.data_hash,
            "classes": list(champion.classes),
            "mean": list(champion.mean),
            "std": list(champion.std),
        },
    )


def of_trial(study: optuna.Study, row: Row, folder: StudyFolder | None, *, data: str | None) -> Subject | GivenSubject:
    """A trial with the weights that a training in ``folder`` left, or untrained where that is None.

    The data is opened for its classes, mean and std; where it is no longer available, there is a warning. Raises
    UnusableInputError where there are no trained weights, or they belong to another training, and where ``data`` is
    given and is not the study's.
    """
    (network,) = networks(study, [row.trial], folder.path if folder else Path())
    weights = None if folder is None else _weights(study, row, folder, network.key)
    if weights is None and folder is not None:
        epochs = counted(row.epochs, "epoch")
        raise UnusableInputError(
            f"trial {row.trial} has no trained weights in {folder.path}: it is {row.state} after {epochs}: "
            f"train it whole with search.py confirm {row.trial}, or give --untrained"
        )
    made_with, found = identity(study, "data"), dict[str, Any](name=study.user_attrs.get(DATA, ""))
    found["hash"] = made_with["data"]["hash"]
    warnings: tuple[str, ...] = ()
    try:
        found |= _data(load_study_data(study, data), weights)
    except UnusableInputError as error:
        if data is not None:
            raise
        warnings = (f"how images are standardised is left out, the data is out of reach: {error}",)
    if row.architecture is None:
        return _of_code(study, row, network, weights, found, warnings)
    return _subject(
        parse(row.architecture),
        made_with.get("constraints", ()),
        origin=f"study {study.study_name}, trial {row.trial}",
        weights=weights,
        training=_training(study, row, weights) if weights else {},
        data=found,
        warnings=warnings,
        measured=row.measured,
    )


def _of_code(  # noqa: PLR0917 - internal
    study: optuna.Study,
    row: Row,
    network: Trained,
    weights: Weights | None,
    data: Mapping[str, Any],
    warnings: tuple[str, ...],
) -> GivenSubject:
    """The export subject for a network of user code."""
    report = card(study, row).report
    tables = {
        "metrics": dict(report.metrics),
        "constraints": [v.as_dict() for v in report.constraints],
        "training": _training(study, row, weights) if weights else {},
        "data": dict(data),
    }
    assert network.given is not None
    about = {"origin": f"{row.origin}, study {study.study_name}, trial {row.trial}"}
    return GivenSubject(
        given=network.given,
        input=report.input,
        weights=weights,
        about=about | {name: json.dumps(table) for name, table in tables.items()},
        warnings=warnings,
    )


def _weights(study: optuna.Study, row: Row, folder: StudyFolder, key: str) -> Weights | None:
    accuracies = {
        (one.epochs, seed): accuracy
        for one in confirmations(study, row.trial)
        for seed, accuracy in zip(one.seeds, one.accuracies, strict=True)
    }
    found = trained_weights(folder, row.trial, key, curve=row.curve, confirmed=accuracies)
    if found is not None:
        weights_file.check(found.path)
    return found


def _subject(
    architecture: Architecture,
    constraints: Sequence[str],
    *,
    origin: str = "",
    weights: Weights | None = None,
    training: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
    measured: Mapping[str, float] | None = None,
) -> Subject:
    rules = parse_all(constraints, None)
    return Subject(
        architecture=architecture,
        weights=weights,
        verdicts=judge(rules, {**metrics(architecture, rules).as_dict(), **(measured or {})}),
        origin=origin,
        training=training or {},
        data=data or {},
        warnings=warnings,
    )


def _data(dataset: Dataset, weights: Weights | None) -> dict[str, Any]:
    """Classes, and mean and std of the images that the weights were trained on."""
    from nas.training import splits

    mean, std = splits.channel_statistics(dataset.train_images, _trained_on(dataset, weights))
    return {"classes": list(dataset.classes), "mean": mean.tolist(), "std": std.tolist()}


def _trained_on(dataset: Dataset, weights: Weights | None) -> np.ndarray:
    if weights is not None and weights.confirmed:
        return np.arange(len(dataset.train_labels))
    return dataset.split().train


def _training(study: optuna.Study, row: Row, weights: Weights) -> dict[str, Any]:
    """How exactly these weights were trained, then the trial's known accuracies."""
    known = {
        "images": "the whole training set" if weights.confirmed else "the training part, without validation",
        **weights.run(),
        "test_accuracy_of_these_weights": weights.test_accuracy,
        "val_accuracy_in_search": row.val_accuracy,
    }
    confirmed = study.user_attrs.get(f"{CONFIRMED}{row.trial}", {})
    several = len(confirmed.get("seeds", ())) > 1  # one training has no spread
    shown = ("mean", "std", "seeds", "epochs") if several else ("mean", "epochs")
    known |= {f"confirmed_{key}": confirmed[key] for key in shown if key in confirmed}
    return {name: value for name, value in known.items() if value is not None}
