"""The configuration of a launch: defaults, a TOML file, flags over both; written back as TOML."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from constraints.cli.options import read_seconds
from constraints.errors import UnusableInputError
from constraints.metrics import LATENCY
from constraints.output.plain import one_line
from constraints.rules import ASSIGNMENT, parse
from nas.defaults import STORAGE
from nas.loggers.choice import split
from nas.objective_text import check, read
from nas.project_settings import Settings
from nas.search import engine_choice
from nas.toml import read_toml, validated, value_text

DEFAULT_TARGET = 0.85


def _seconds(value: Any) -> Any:
    try:
        return read_seconds(value) if isinstance(value, str) else value
    except UnusableInputError as error:
        raise ValueError(str(error)) from None


def _share(value: Any) -> Any:
    """Reject a percentage; a share of 1 was meant."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            percent = float(str(value).strip().removesuffix("%"))
        except ValueError:
            return value
        if 1 < percent < 100 or str(value).strip().endswith("%"):
            raise ValueError(f"an accuracy is a share of 1: write {percent / 100:g}")
    return value


def _constraint(text: str, info: ValidationInfo) -> str:
    if text.strip() == AUGMENTATION_RULE:
        return AUGMENTATION_RULE
    try:
        return parse(text, (LATENCY,) if info.data.get("metrics") is None else None).expr
    except UnusableInputError as error:
        raise ValueError(str(error)) from None


def _path(text: str) -> str:
    if "\0" in text or not text.strip():
        raise ValueError("give a path, or a database's URL")
    return os.path.expanduser(text)  # noqa: PTH111 (a URL stays as it is)


def _folder_name(text: str) -> str:
    if not text.strip():
        raise ValueError("give a name")
    if "/" in text or text in {".", ".."}:
        raise ValueError("give a name without slashes")
    if text != one_line(text):
        raise ValueError("give a name without line breaks and control characters")
    if len(os.fsencode(text)) > _LONGEST_NAME:
        raise ValueError(f"give a name of at most {_LONGEST_NAME} bytes: folders have it, some with an ending")
    return text


def _objective(text: str, info: ValidationInfo) -> str:
    try:
        _, aims = read(text)
        if info.data.get("metrics") is None:
            check(aims)
    except UnusableInputError as error:
        raise ValueError(str(error)) from None
    return text


def _engine(text: str) -> str:
    engine_choice.split(text)
    return text


def _tracker(text: str) -> str:
    split(text)
    return text


def _recipe(value: Any) -> Any:
    if value is None or isinstance(value, str | dict):
        return value
    raise ValueError("give a name, a TOML file, or a table [recipe] of options")


def _fields(value: Any) -> Any:
    """``lr,weight_decay`` as a list."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


AUGMENTATION_RULE = "augmentation"
"""Rule 6 of the assignment, which may be among the constraints: it judges the augmentation, not the network."""
_LONGEST_NAME = 240
"""In bytes: a file's name has at most 255 on every common file system, including endings such as ``.deleted``."""
_BY_DATA = ("space", "trials", "epochs")
"""Fields that the size of the data may decide where they are not given."""
_NEEDS_SPACE = ("constraints", "start", "from_study")
"""Fields with which the default space stays, as a smaller one may not satisfy or contain what they give."""
DEFAULT_RECIPE = "default"
Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]


class LaunchConfig(BaseModel):
    """Everything that a launch depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {"require": "constraints"}
    """What some fields are called elsewhere, as by ``--require`` and ``constraints.check``."""

    space: str = "assignment"
    data: str = "auto"
    study: Annotated[str, AfterValidator(_folder_name)] = "search"
    storage: Annotated[str, AfterValidator(_path)] = STORAGE
    trials: int = Field(default=30, ge=1)
    timeout: Duration = 3600.0
    """Time limit of this launch in seconds."""
    target: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, BeforeValidator(_share)] = None
    stop_at_target: bool = False
    confirm: int = Field(default=0, ge=0)
    epochs: int = Field(default=20, ge=1)
    start: list[str] = Field(default=[])
    """Networks, and files and modules with networks, that the search starts from."""
    from_study: str | None = None
    """Another study, whose best networks are tried first and whose results rank what is tried next."""
    guess: bool = True
    """Whether a zero-cost proxy chooses the first candidates."""
    metrics: Annotated[str, AfterValidator(_path)] | None = None
    """A file of the user's own metrics, which constraints and the objective may name."""
    constraints: list[Annotated[str, AfterValidator(_constraint)]] = Field(
        default=list(ASSIGNMENT), min_length=1, validate_default=True
    )
    workers: int | None = Field(default=None, ge=1, le=10_000)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    engine: Annotated[str, AfterValidator(_engine)] = "local"
    recipe: Annotated[str | dict[str, Any] | None, BeforeValidator(_recipe)] = None
    """The name of a recipe, a TOML file, or what such a file holds; None is the default, or the study's own."""
    augmentation: str | None = None
    """``NAME``, ``NAME,flip=0``, ``FILE.py:NAME`` or none; None is the default, or the study's own."""
    teacher: Annotated[list[str], Field(min_length=1)] | None = None
    """Trained networks, trials and exports, that candidates learn from too; None is none, or the study's own."""
    tune: Annotated[list[str], Field(min_length=1), BeforeValidator(_fields)] | None = None
    """Options of the recipe that are proposed for each trial; None is none, or the study's own."""
    objective: Annotated[str, AfterValidator(_objective)] = "accuracy"
    """The accuracy that is maximised, and the metrics that are minimised beside it; ``METRIC:max`` is maximised."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    log: list[Annotated[str, AfterValidator(_tracker)]] = Field(default=[])
    """Trackers of experiments that curves are written to as well."""

    @property
    def rules(self) -> list[str]:
        """The constraints on a network; the default ones if only the augmentation's was given."""
        return [text for text in self.constraints if text != AUGMENTATION_RULE] or list(ASSIGNMENT)

    @property
    def by_data(self) -> tuple[str, ...]:
        """The fields that the size of the data decides: neither they nor what settles them is given.

        A default that a file repeats asks for no more than one that is left out.
        """
        usual = type(self)()
        settled = set(self.model_fields_set)
        if any(getattr(self, name) != getattr(usual, name) for name in _NEEDS_SPACE):
            settled.add("space")
        if self.recipe not in (None, DEFAULT_RECIPE):
            settled.add("epochs")
        return tuple(name for name in _BY_DATA if name not in settled)

    def to_toml(self, kept: Collection[str] = ()) -> str:
        """The effective configuration; ``--config`` reads it back as an equal value.

        ``kept`` are fields that are left out because the study has its own.
        """
        by_data = [name for name in self.by_data if name not in kept]
        hints = {
            "so that the size of the data decides, here and where this is read": by_data,
            f"as study {self.study} keeps its own; a new study has those of its data, or the defaults": kept,
        }
        lines = [
            f"{name} = {value_text(value)}"
            for name, value in self.model_dump(mode="json").items()
            if value is not None and name not in {*by_data, *kept}
        ]
        said = [f"# {', '.join(names)}: left out, {why}" for why, names in hints.items() if names]
        return "\n".join([*said, *lines]) + "\n"


def read_config(
    path: Path | None,
    flags: Mapping[str, Any],
    project: Settings | None = None,
    fields: Collection[str] = tuple(LaunchConfig.model_fields),
) -> LaunchConfig:
    """The configuration of a file, overridden by ``flags``; both override the project's settings for ``fields``.

    A flag is None if it was not given.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    table = read_toml(path) if path is not None else {}
    for known, source in ((project.table, project.source) if project else ({}, ""), (table, str(path))):
        if known:
            validated(LaunchConfig, known, source, is_strict=True)
    of_project = project.only(fields).table if project else {}
    return validated(LaunchConfig, {**of_project, **table, **given}, "")


class LaunchFields(TypedDict, total=False):
    """The fields of a LaunchConfig by name, for a call from Python; omitted ones have their defaults."""

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
    start: Sequence[str]
    from_study: str | None
    guess: bool
    constraints: Sequence[str]
    workers: int | None
    device: Literal["auto", "cpu", "cuda"]
    engine: str
    recipe: str | Path | dict[str, Any] | None
    augmentation: str | None
    teacher: Sequence[str] | None
    tune: Sequence[str] | str | None
    metrics: str | Path | None
    objective: str
    seed: int
    log: Sequence[str]
