"""The description in an exported file: metadata by name, or a docstring at the top of source."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from constraints.verdicts import Verdict
from nas.architecture import codegen
from nas.architecture.spec import Architecture
from nas.search.trained_weights import Weights
from nas.space.analytic import metrics, receptive_field

WIDTH = 100
"""Columns of the text at the top of exported source."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network to export, with its metadata."""

    architecture: Architecture
    weights: Weights | None
    verdicts: tuple[Verdict, ...]
    origin: str = ""
    """Study and trial; empty for a network given as text."""
    training: Mapping[str, Any]
    """Recipe, epochs, seed, images and accuracies; empty where it was not trained."""
    data: Mapping[str, Any]
    """Name, hash and classes of the data, mean and std of the images trained on (0 to 1 scale); as far as known."""
    warnings: tuple[str, ...] = ()
    fixed: str = ""
    """The user model and edits that it was made from; its weights are then written too. Empty for a trial."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by name."""
        return metrics(self.architecture, [v.constraint for v in self.verdicts if v.constraint]).as_dict()

    def metadata(self) -> dict[str, str]:
        """Metadata by name, as JSON except for the architecture and the origin."""
        tables = {
            "metrics": self.metrics,
            "constraints": [v.as_dict() for v in self.verdicts],
            "training": dict(self.training),
            "data": dict(self.data),
        }
        texts = {"architecture": str(self.architecture), "origin": self.origin}
        return texts | {name: json.dumps(table) for name, table in tables.items()}


def source(subject: Subject, weights: Path) -> str:
    """Source of a self-contained ``Net`` with the metadata as its docstring; ``weights`` is the file beside it."""
    known = {"MEAN": subject.data.get("mean"), "STD": subject.data.get("std"), "CLASSES": subject.data.get("classes")}
    return codegen.source(
        subject.architecture,
        about=_about(subject, weights),
        constants={name: values for name, values in known.items() if values},
        notes=[f"receptive field {field}" for field in _fields(subject.architecture)],
    )


def _fields(architecture: Architecture) -> list[int]:
    """Receptive field after each stage, in pixels of the image."""
    counts = range(1, len(architecture.stages) + 1)
    return [receptive_field(replace(architecture, stages=architecture.stages[:n], head="fc"))[0] for n in counts]


def _about(subject: Subject, weights: Path) -> str:
    """The text at the top of exported source."""
    shape = "x".join(map(str, subject.architecture.input))
    sections = [
        str(subject.architecture),
        f"Found by a neural architecture search: {subject.origin}." if subject.origin else "",
        textwrap.fill(subject.fixed, WIDTH),
        _section(f"Metrics, for one {shape} image", [(k, _value(v)) for k, v in subject.metrics.items()]),
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
    if subject.weights is None and not subject.fixed:
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
