"""What the parent asks of the child: typed values, sent as JSON; no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from constraints.inputs import InputSpec
from constraints.rules import Constraint, parse_all


@dataclass(frozen=True, kw_only=True)
class Target:
    """A name in a Python file or in an importable module."""

    text: str
    file: Path | None
    module: str
    name: str
    """Empty where it was left out; then it is the file's one model."""
    input: str = ""
    """The input shape that the target itself declares, used where the request names no other."""

    @property
    def place(self) -> str:
        """The file or module, for messages."""
        return str(self.file) if self.file else self.module

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Target:
        """Read a target back from JSON."""
        return cls(**{**fields, "file": Path(fields["file"]) if fields["file"] else None})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the user's code."""

    seconds: float = 60.0
    """Wall time from the start of the user's code; starting Python and torch is not counted."""
    memory_bytes: int = 4 * 2**30
    """Limit for all its processes together, torch's own half gigabyte included."""
    is_hard: bool = True
    """Whether an allocation beyond it fails. False with a GPU, whose driver reserves more than it uses: then only the
    use is watched."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work for a child: ``function`` is called there with ``arguments`` and with ``send``, which reports each stage."""

    function: str
    """``module:name`` of a function of this project, never a user's: (arguments, send) -> a value for JSON."""
    arguments: Mapping[str, Any]
    limits: Limits = Limits()
    each_stage: bool = False
    """Whether the time limit is for each stage, and not for all together."""

    def to_line(self, environment: Mapping[str, str]) -> bytes:
        """The job as one line of JSON, with the current working folder and ``environment``, in which it is to run."""
        place = {"environment": dict(environment), "folder": _working_folder()}
        return (json.dumps({**asdict(self), **place}, default=os.fspath) + "\n").encode()

    @classmethod
    def begin(cls, line: bytes) -> Job:
        """Read back what ``to_line`` wrote, and change to its folder and environment."""
        fields = json.loads(line)
        environment, folder = fields.pop("environment"), fields.pop("folder")
        os.environ.clear()
        os.environ.update(environment)
        if folder is not None:
            os.chdir(folder)
        return cls(**{**fields, "limits": Limits(**fields["limits"])})


def _working_folder() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # deleted; the process is still in it
        return None


@dataclass(frozen=True, kw_only=True)
class Request:
    """One check: what to load, how to run it, the constraints, and the limits."""

    target: Target
    inputs: tuple[InputSpec, ...] = (InputSpec(shape=(3, 32, 32)),)
    """One sample, without the batch axis."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for a class or a function."""
    require: tuple[Constraint, ...]
    """The constraints; the child checks whether the user's code defines metrics that they name."""
    classes: int | None = None
    verify: bool = False
    threads: int = 1
    """Threads of torch and onnxruntime where a latency is measured."""
    fixes_seconds: float = 10.0
    """Time limit of the search for fixes; 0 means no search."""
    augmentation: Target | None = None
    augmentation_arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for a function that returns the pipeline."""
    mean: tuple[float, ...] = (0.4914, 0.4822, 0.4465)
    """Mean of the data set, which the augmentation's fill value must equal."""
    limits: Limits = Limits()
    follow_ups: tuple[str, ...] = ()
    """``module:name`` of functions of this project that use the findings: (``Checked``, request) -> values for JSON."""
    drafts: Mapping[str, Path] = field(default_factory=dict)
    """Follow-up -> the file that it may write."""
    source: str | None = None
    """Text that is run in place of the target's file."""

    def job(self) -> Job:
        """The check as a job for a child."""
        arguments = asdict(self) | {"require": [constraint.expr for constraint in self.require]}
        return Job(function="constraints.sandbox.child:check_target", arguments=arguments, limits=self.limits)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Request:
        """Read a request back from the arguments of its job."""
        return cls(**{
            **fields,
            "target": Target.from_dict(fields["target"]),
            "augmentation": Target.from_dict(fields["augmentation"]) if fields["augmentation"] else None,
            "limits": Limits(**fields["limits"]),
            "inputs": tuple(map(InputSpec.from_dict, fields["inputs"])),
            "require": parse_all(fields["require"], None),
            "mean": tuple(fields["mean"]),
            "follow_ups": tuple(fields["follow_ups"]),
            "drafts": {name: Path(file) for name, file in fields["drafts"].items()},
        })  # fmt: skip
