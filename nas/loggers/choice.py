"""Which trackers ``--log`` names; their packages are extras, loaded when a launch uses them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from constraints.errors import UnusableInputError, first_line
from nas.passwords import masked

if TYPE_CHECKING:
    from nas.loggers.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class TrackerKind:
    """A kind of tracker: the package that it needs, and its class, which takes the text after the colon."""

    package: str
    maker: str
    takes: str
    """Description of what may follow the colon."""
    is_service: bool = False
    """Whether it always writes to an account."""
    variable: str = ""
    """Environment variable with the place where none is given."""

    def is_elsewhere(self, place: str) -> bool:
        """Whether it writes to an account or a server, and so creates nothing here where it is opened."""
        scheme, colon, _ = (place or os.environ.get(self.variable, "")).partition("://")
        return self.is_service or (bool(colon) and scheme.startswith("http"))


KINDS: Mapping[str, TrackerKind] = MappingProxyType(
    {
        "tensorboard": TrackerKind(package="tensorboard", maker="TensorBoard", takes="a folder"),
        "mlflow": TrackerKind(package="mlflow", maker="MLflow", takes="a tracking URI", variable="MLFLOW_TRACKING_URI"),
        "wandb": TrackerKind(package="wandb", maker="WeightsAndBiases", takes="a project", is_service=True),
    }
)


def forms() -> str:
    """All that may be given: ``tensorboard[:FOLDER], mlflow[:URI] or wandb[:PROJECT]``."""
    known = [f"{name}[:{choice.takes.split()[-1].upper()}]" for name, choice in KINDS.items()]
    return f"{', '.join(known[:-1])} or {known[-1]}"


def split(text: str) -> tuple[str, str]:
    """``KIND[:PLACE]`` split into its two parts; ValueError for an unknown kind."""
    kind, colon, place = text.partition(":")
    if kind not in KINDS or (colon and not place.strip()) or "\0" in place:
        raise ValueError(f"give {forms()}")
    return kind, place


def check(texts: tuple[str, ...] | list[str]) -> None:
    """Raise UnusableInputError where a tracker's package is not installed, or its account or server is not there."""
    for text in texts:
        kind, _ = split(text)
        if find_spec(KINDS[kind].package) is None:
            raise UnusableInputError(
                f"{KINDS[kind].package} is not installed: --log {masked(text)} needs it: "
                f"uv run --extra {kind} search.py launch ..., or pip install {KINDS[kind].package}"
            )
    for text in texts:
        if KINDS[split(text)[0]].is_elsewhere(split(text)[1]):
            tracker(text)


def tracker(text: str) -> Tracker:
    """The tracker that ``KIND[:PLACE]`` names; loads its package."""
    kind, place = split(text)
    maker = getattr(import_module(f"nas.loggers.{kind}"), KINDS[kind].maker)
    try:
        return cast("Tracker", maker(place))
    except UnusableInputError:
        raise
    except ModuleNotFoundError as error:  # the driver of a database
        raise UnusableInputError(
            f"{error.name} is not installed: --log {masked(text)} needs it: install it, or give another place"
        ) from error
    except Exception as error:  # each package has its own errors
        raise UnusableInputError(
            f"cannot log to {kind}: {reason(error)}: give another place, or leave out --log {masked(text)}"
        ) from error


def reason(error: Exception) -> str:
    """The message of another package's error, on one line, without passwords."""
    return masked(first_line(error)) or type(error).__name__
