"""A trial -> files to take away: self-contained source, ONNX, torch.export, safetensors, each with its metrics."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, Verdict, judge, parse_all
from nas.architecture import named
from nas.architecture.codegen import source
from nas.architecture.spec import Architecture, parse
from nas.results.rows import Row
from nas.search.study import CONFIRMED, DATA, constraints_of, identity
from nas.search.study_data import load_study_data
from nas.search.trained_weights import Weights, trained_weights
from nas.space.analytic import metrics, receptive_field

if TYPE_CHECKING:
    from nas.training.datasets import Dataset

SUFFIXES = (".py", ".onnx", ".pt2", ".safetensors")
WIDTH = 100
"""Columns of the text at the top of exported source."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network to export, and all that is known of it."""

    architecture: Architecture
    weights: Weights | None
    verdicts: tuple[Verdict, ...]
    origin: str = ""
    """Study and trial; empty for a text of one's own."""
    training: Mapping[str, Any]
    """Recipe, epochs, seed, images and accuracies; empty where it was not trained."""
    data: Mapping[str, Any]
    """Name, hash and classes of the data, mean and std of the images trained on (0 to 1 scale); as far as known."""
    warnings: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by name."""
        return metrics(self.architecture).as_dict()

    def metadata(self) -> dict[str, str]:
        """Everything by name, as JSON but for the architecture and the origin."""
        tables = {
            "metrics": self.metrics,
            "constraints": [v.as_dict() for v in self.verdicts],
            "training": dict(self.training),
            "data": dict(self.data),
        }
        texts = {"architecture": str(self.architecture), "origin": self.origin}
        return texts | {name: json.dumps(table) for name, table in tables.items()}


def check_target(to: Path, *, force: bool) -> None:
    """Raise UnusableInputError for an ending that there is not, a missing extra, or a file that would be lost."""
    if to.suffix not in SUFFIXES:
        raise UnusableInputError(f"unknown kind of file: {to}: end it with {', '.join(SUFFIXES)}")
    written = [to, *([_weights_beside(to)] if to.suffix == ".py" else [])]
    existing = [path for path in written if path.exists()]
    if existing and not force:
        raise UnusableInputError(f"the file exists: {existing[0]}: give another --to, or --force to write over it")
    if to.suffix == ".onnx":
        from nas.architecture.formats import check_onnx

        check_onnx()


def of_text(text: str) -> Subject:
    """An untrained network by its name or text, judged by the assignment's constraints."""
    return _subject(named.architecture(text), ASSIGNMENT)


def of_trial(study: optuna.Study, row: Row, folder: Path, *, data: str | None, untrained: bool) -> Subject:
    """A trial with the weights that a training in ``folder`` left; UnusableInputError where none did.

    The data is opened for its classes and what images are standardised by; where it is out of reach, a warning says so.
    """
    weights = None if untrained else trained_weights(folder, row.trial, row.architecture)
    if weights is None and not untrained:
        epochs = f"{row.epochs} epoch{'s' * (row.epochs != 1)}"
        raise UnusableInputError(
            f"trial {row.trial} has no trained weights in {folder}: it is {row.state} after {epochs}: "
            f"train it whole with search.py confirm {row.trial}, or give --untrained"
        )
    made_with, found = identity(study), dict[str, Any](name=study.user_attrs.get(DATA, ""))
    found["hash"] = made_with["data"]["hash"]
    warnings: tuple[str, ...] = ()
    try:
        found |= _data(load_study_data(study, data), weights)
    except UnusableInputError as error:
        warnings = (f"how images are standardised is left out, the data is out of reach: {error}",)
    return _subject(
        parse(row.architecture),
        constraints_of(made_with),
        origin=f"study {study.study_name}, trial {row.trial}",
        weights=weights,
        training=_training(study, row, weights) if weights else {},
        data=found,
        warnings=warnings,
    )


def write(subject: Subject, to: Path) -> dict[Path, str]:
    """Write the file, and beside source the trained weights; returns what each of them holds, in words.

    Raises UnusableInputError for a file that cannot be written, or that would compute something else.
    """
    from nas.architecture import formats

    model = formats.load(subject.architecture, subject.weights.path if subject.weights else None)
    input, about = subject.architecture.input, subject.metadata()
    if to.suffix == ".safetensors":
        formats.save_weights(model, to, about)
    elif to.suffix == ".pt2":
        formats.save_program(model, input, to, about)
    elif to.suffix == ".onnx":
        formats.save_onnx(model, input, to, about)
    else:
        beside = _weights_beside(to)
        formats.save_source(model, input, _source(subject, beside), to)
        if subject.weights:
            formats.save_weights(model, beside, about)
            return {to: _content(to, subject), beside: "its trained weights"}
    return {to: _content(to, subject)}


_KINDS = {
    ".py": "the class Net",
    ".onnx": "images to logits for any batch size",
    ".pt2": "a torch.export program for any batch size",
    ".safetensors": "the weights",
}


def _content(to: Path, subject: Subject) -> str:
    network = "the trained network" if subject.weights else "the untrained network"
    return f"{_KINDS[to.suffix]}; read back, it agrees with {network}"


def _weights_beside(to: Path) -> Path:
    return to.with_suffix(".safetensors")


def _subject(
    architecture: Architecture,
    constraints: Sequence[str],
    *,
    origin: str = "",
    weights: Weights | None = None,
    training: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
) -> Subject:
    rules = parse_all(constraints)
    return Subject(
        architecture=architecture,
        weights=weights,
        verdicts=judge(rules, metrics(architecture, rules).as_dict()),
        origin=origin,
        training=training or {},
        data=data or {},
        warnings=warnings,
    )


def _data(dataset: Dataset, weights: Weights | None) -> dict[str, Any]:
    """Classes, and mean and std of the images that the weights were trained on."""
    from nas.training import datasets

    mean, std = datasets.channel_statistics(dataset.train_images, _trained_on(dataset, weights))
    return {"classes": list(dataset.classes), "mean": mean.tolist(), "std": std.tolist()}


def _trained_on(dataset: Dataset, weights: Weights | None) -> np.ndarray:
    from nas.training import datasets

    if weights is not None and weights.confirmed:
        return np.arange(len(dataset.train_labels))
    return datasets.split(dataset.train_labels, seed=0).train


def _training(study: optuna.Study, row: Row, weights: Weights) -> dict[str, Any]:
    """How the very weights came to be, then the accuracies known of the trial."""
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


def _source(subject: Subject, weights: Path) -> str:
    known = {"MEAN": subject.data.get("mean"), "STD": subject.data.get("std"), "CLASSES": subject.data.get("classes")}
    return source(
        subject.architecture,
        about=_about(subject, weights),
        constants={name: values for name, values in known.items() if values},
        notes=[f"receptive field {field}" for field in _fields(subject.architecture)],
    )


def _fields(architecture: Architecture) -> list[int]:
    """What a unit sees behind each stage, in pixels of the image."""
    counts = range(1, len(architecture.stages) + 1)
    return [receptive_field(replace(architecture, stages=architecture.stages[:n], head="fc"))[0] for n in counts]


def _about(subject: Subject, weights: Path) -> str:
    """The text at the top of exported source."""
    shape = "x".join(map(str, subject.architecture.input))
    sections = [
        str(subject.architecture),
        f"Found by a neural architecture search: {subject.origin}." if subject.origin else "",
        _section(f"Figures, for one {shape} image", [(k, _value(v)) for k, v in subject.metrics.items()]),
        _section("Constraints", [(v.expr, f"{'holds' if v.ok else 'BROKEN'}: {v.why}") for v in subject.verdicts]),
        _section("Training", [(k, _value(v)) for k, v in subject.training.items()]),
        _input(subject),
        _loading(subject, weights),
    ]
    return "\n\n".join(section for section in sections if section)


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return ""
    wide = max(len(name) for name, _ in rows) + 2
    lines = [
        textwrap.fill(text, WIDTH, initial_indent=f"    {name:{wide}}", subsequent_indent=" " * (wide + 4))
        for name, text in rows
    ]
    return "\n".join([f"{title}:", *lines])


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _input(subject: Subject) -> str:
    data = subject.data
    if not data:
        return "Input: float images (batch, channels, height, width)."
    name = f"{data['name']} (SHA-256 {data['hash'][:16]}...)"
    how = "(image / 255 - MEAN) / STD for each channel" if "mean" in data else "by the channels' mean and std over it"
    return f"Input: float images (batch, channels, height, width), standardised: {how}.\nData: {name}."


def _loading(subject: Subject, weights: Path) -> str:
    if subject.weights is None:
        return "Weights: none; the network is untrained."
    return "\n".join(
        [
            f"Weights: {weights.name}, beside this file:\n",
            "    from safetensors.torch import load_file\n",
            "    model = Net()",
            f"    model.load_state_dict(load_file({weights.name!r}))",
            "    model.eval()",
        ]
    )
