"""The findings of a check, as values and as JSON; no torch, so that a parent process can read its child's findings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from constraints.inputs import InputSpec
from constraints.metrics import Layer
from constraints.rules import Constraint
from constraints.stages import Stage
from constraints.verdicts import Verdict

FIX_ALL = "every constraint at once"
"""Label of a ``FixAll`` in the outputs."""


@dataclass(frozen=True, kw_only=True)
class FixAll:
    """A set of edits that makes every constraint hold, tried on a copy of the model."""

    text: str
    """The edits and their result, as a sentence."""
    edits: tuple[str, ...]
    """Each edit in words, in the order of application."""
    code: tuple[str, ...] = ()
    """Lines of Python that apply the edits to ``model``, if one of them inserts layers and they can be written so."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return {"text": self.text, "edits": list(self.edits), "code": list(self.code)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read back what ``as_dict`` wrote."""
        return cls(text=fields["text"], edits=tuple(fields["edits"]), code=tuple(fields["code"]))


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The metrics, verdicts and layers of one model for one input."""

    target: str
    input: tuple[int, ...]
    """Shape of one sample without the batch axis."""
    inputs: tuple[InputSpec, ...] = ()
    """Every input: shape, dtype (empty: floating point) and name (empty: positional); ``input`` is the first shape."""
    output: tuple[int, ...]
    """Shape of the result without the batch axis."""
    metrics: Mapping[str, Any]
    """Metric by name, as in the JSON (lists for several entries); ``None`` where it is unknown."""
    constraints: tuple[Verdict, ...]
    layers: tuple[Layer, ...]
    stage_ends: tuple[tuple[str, str], ...] = ()
    """Layers that end a stage -> ``"stride"`` or ``"dilation"``."""
    stage_spans: tuple[Stage, ...] = ()
    """The first and last layer of each stage, what ends it, and its number of convolutions."""
    fix_all: FixAll | None = None
    """The smallest set of edits found that makes every constraint hold."""
    warnings: tuple[str, ...] = ()
    verified: Mapping[str, Any] | None = None
    """Result of the probe: ``input``, ``receptive_field_hw``, ``agrees``, ``text``; None if it was not run."""
    location: tuple[str, int] | None = field(default=None)
    """File and line where the model is defined, if known."""
    failed: str = ""
    """The exception of the model's own forward pass, on one line; then only the parameter metrics are known."""
    traceback: str = field(default="", repr=False, compare=False)
    """Traceback of that exception; not part of the JSON."""

    @property
    def ok(self) -> bool:
        """Whether every constraint holds."""
        return all(v.ok for v in self.constraints)

    def with_verdicts(self, *verdicts: Verdict) -> Self:
        """The same report with more verdicts at the end."""
        return replace(self, constraints=self.constraints + verdicts)

    def by_module(self) -> dict[str, dict[str, int]]:
        """Dotted path of each module that ran -> ``params`` and ``macs`` of its layers, its submodules included.

        The path of the model itself is empty. Parameters that no call used are only in ``metrics["params"]``.
        """
        found: dict[str, dict[str, int]] = {"": {"params": 0, "macs": 0}}
        for layer in self.layers:
            parts = layer.name.split(".") if layer.name != layer.op else []  # a function called by no module
            for path in (".".join(parts[:depth]) for depth in range(len(parts) + 1)):
                subtotal = found.setdefault(path, {"params": 0, "macs": 0})
                subtotal["params"] += layer.params
                subtotal["macs"] += layer.macs
        return found

    def to_dict(self) -> dict[str, Any]:
        """The report by the keys of the published schema (constraints/report.schema.json)."""
        return {
            "target": self.target,
            "input": list(self.input),
            "inputs": [spec.as_dict() for spec in self.inputs],
            "output": list(self.output),
            "ok": self.ok,
            "metrics": dict(self.metrics),
            "constraints": [v.as_dict() for v in self.constraints],
            "layers": [layer.as_dict() for layer in self.layers],
            "stage_ends": [{"layer": layer, "by": by} for layer, by in self.stage_ends],
            "stage_spans": [stage.as_dict() for stage in self.stage_spans],
            "fix_all": self.fix_all.as_dict() if self.fix_all else None,
            "warnings": list(self.warnings),
            "verified": dict(self.verified) if self.verified is not None else None,
            "location": {"file": self.location[0], "line": self.location[1]} if self.location else None,
            "failed": self.failed or None,
        }

    def to_json(self) -> str:
        """``to_dict`` as one JSON document."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], constraints: Sequence[Constraint] = ()) -> Self:
        """Read back what ``to_dict`` wrote; each verdict gets its constraint from ``constraints``."""
        place = document["location"]
        return cls(
            target=document["target"],
            input=tuple(document["input"]),
            inputs=tuple(map(InputSpec.from_dict, document["inputs"])),
            output=tuple(document["output"]),
            metrics=MappingProxyType(document["metrics"]),
            constraints=tuple(Verdict.from_dict(v, constraints) for v in document["constraints"]),
            layers=tuple(Layer(**_tuples(layer)) for layer in document["layers"]),
            stage_ends=tuple((end["layer"], end["by"]) for end in document["stage_ends"]),
            stage_spans=tuple(Stage(**{**stage, "by": stage["by"] or ""}) for stage in document["stage_spans"]),
            fix_all=FixAll.from_dict(document["fix_all"]) if document["fix_all"] else None,
            warnings=tuple(document["warnings"]),
            verified=document["verified"],
            location=(place["file"], place["line"]) if place else None,
            failed=document["failed"] or "",
        )


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A target of several that could not be checked."""

    target: str
    error: str
    """One line: what is wrong, the value, what to do."""
    exit_code: int

    @property
    def ok(self) -> bool:
        """No constraint was judged, so none holds."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """The document in place of a report: ``error`` and ``exit_code`` with ``target`` and ``ok``."""
        return {"target": self.target, "ok": False, "error": self.error, "exit_code": self.exit_code}


Result = Findings | Refused
"""The outcome for one target."""


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
