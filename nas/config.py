"""The configuration of a launch: defaults, a TOML file, flags over both; written back as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from constraints.cli.options import read_seconds
from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, parse
from nas.defaults import STORAGE
from nas.loggers.choice import split
from nas.toml import read_toml, validated

DEFAULT_TARGET = 0.85


def _seconds(value: Any) -> Any:
    try:
        return read_seconds(value) if isinstance(value, str) else value
    except UnusableInputError as error:
        raise ValueError(str(error)) from None


def _constraint(text: str) -> str:
    try:
        return parse(text).expr
    except UnusableInputError as error:
        raise ValueError(str(error)) from None


def _path(text: str) -> str:
    if "\0" in text or not text.strip():
        raise ValueError("give a path, or a database's URL")
    return text


def _folder_name(text: str) -> str:
    if not text.strip() or "/" in text or "\0" in text or text in {".", ".."}:
        raise ValueError("give a name without slashes")
    return text


def _engine(text: str) -> str:
    if not re.fullmatch(r"local|ray(:[^\s/]+:\d{1,5})?", text):
        raise ValueError("give local, ray or ray:HOST:PORT")
    return text


def _tracker(text: str) -> str:
    split(text)
    return text


Objective = Literal[
    "accuracy", "accuracy,params", "accuracy,macs", "accuracy,params,macs", "accuracy,macs,params"
]  # fmt: skip
"""What is maximised, and what is minimised beside it."""
Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]


class LaunchConfig(BaseModel):
    """Everything that a launch depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: str = "assignment"
    data: str = "auto"
    study: Annotated[str, AfterValidator(_folder_name)] = "search"
    storage: Annotated[str, AfterValidator(_path)] = STORAGE
    trials: int = Field(default=30, ge=1)
    timeout: Duration = 3600.0
    """Seconds of this launch."""
    target: float | None = Field(default=None, gt=0, lt=1)
    stop_at_target: bool = False
    confirm: int = Field(default=0, ge=0)
    epochs: int = Field(default=20, ge=1)
    guess: bool = True
    """Whether a proxy of what they are worth chooses the first candidates."""
    constraints: list[Annotated[str, AfterValidator(_constraint)]] = Field(
        default=list(ASSIGNMENT), min_length=1, validate_default=True
    )
    workers: int | None = Field(default=None, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    engine: Annotated[str, AfterValidator(_engine)] = "local"
    objective: Objective = "accuracy"
    seed: int = Field(default=0, ge=0)
    log: list[Annotated[str, AfterValidator(_tracker)]] = Field(default=[])
    """Trackers of experiments that curves are written to as well."""

    def to_toml(self) -> str:
        """The effective configuration, which ``--config`` reads back to an equal value."""
        lines = [
            f"{name} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in self.model_dump(mode="json").items()
            if value is not None
        ]
        return "\n".join(lines) + "\n"


def read_config(path: Path | None, flags: Mapping[str, Any]) -> LaunchConfig:
    """The configuration of a file (or of none) with ``flags`` over it; a flag of None was not given."""
    given = {name: value for name, value in flags.items() if value is not None}
    table = read_toml(path) if path is not None else {}
    if path is not None:
        validated(LaunchConfig, table, str(path))
    return validated(LaunchConfig, {**table, **given}, "")


class LaunchFields(TypedDict, total=False):
    """The fields of a LaunchConfig, each by name, for a call from Python; what is left out has its default."""

    space: str | Path
    data: str | Path
    study: str
    storage: str | Path
    trials: int
    timeout: float | str
    target: float | None
    stop_at_target: bool
    confirm: int
    epochs: int
    guess: bool
    constraints: Sequence[str]
    workers: int | None
    device: Literal["auto", "cpu", "cuda"]
    engine: str
    objective: Objective
    seed: int
    log: Sequence[str]
