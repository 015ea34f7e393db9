"""Reads the champions by name from one file; loads no torch.

Beside the name of an entry, ``champion-200k`` is the most accurate one with fewer than 200,000 parameters, and so for
any other limit.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.champions.names import PREFIX, is_champion
from nas.toml import read_toml, validated

FILE = Path(__file__).with_name("champions.toml")
CLASSES = (200_000, 100_000, 50_000, 25_000)
"""Limits of parameters: under each, the most accurate network is a champion."""
_LIMIT = re.compile(rf"{PREFIX}(\d+(?:\.\d+)?)([kM])")
_SCALE = {"k": 1_000, "M": 1_000_000}
_CUTOFF = 0.875
"""Similarity of names, all of which have the same beginning, from which one may be meant."""


class Champion(BaseModel):
    """A confirmed network: what it is, how it was trained, and its test accuracy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    architecture: str
    found: str
    """How it was found."""
    params: int = Field(ge=1)
    macs: int = Field(ge=1)
    data: str
    recipe: str
    """The recipe's name, and the options that differ from that recipe."""
    augmentation: str
    teacher: str = ""
    """Its teacher; empty if it has none."""
    epochs: int = Field(ge=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    test_accuracies: tuple[float, ...] = Field(min_length=1)
    """One per seed, 0 to 1, of the network in float32."""
    machine: str
    date: date
    commit: str
    command: str
    """The command that trains it again."""
    weights: str = ""
    """The file of half-precision weights beside this one; empty if none ship."""
    weights_accuracy: float | None = None
    """Test accuracy of exactly these weights, read back from the file."""
    classes: tuple[str, ...] = ()
    """Classes of the data in the order of the outputs, if weights ship."""
    data_hash: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Mean (and ``std``) of each channel by which images are standardised, on the 0 to 1 scale, if weights ship."""

    @model_validator(mode="after")
    def _consistent(self) -> Champion:
        if len(self.seeds) != len(self.test_accuracies):
            raise ValueError("give one of test_accuracies for each of seeds")
        if not is_champion(self.name) or _LIMIT.fullmatch(self.name):
            raise ValueError(
                f"a name begins with {PREFIX}, is no file's, and is no limit of parameters, as {PREFIX}200k is"
            )
        return self

    @property
    def test_accuracy(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.test_accuracies)

    @property
    def test_std(self) -> float | None:
        """Sample standard deviation over the seeds; None for one."""
        return statistics.stdev(self.test_accuracies) if len(self.test_accuracies) > 1 else None

    @property
    def path(self) -> Path | None:
        """The file of its weights; None if none ship."""
        return FILE.with_name(self.weights) if self.weights else None

    def as_dict(self) -> dict[str, Any]:
        """Its entry of the JSON document of ``champions``."""
        table = self.model_dump(mode="json", exclude={"mean", "std", "classes", "data_hash"})
        best = [limit for limit in CLASSES if best_under(limit) is self]
        return {**table, "test_accuracy": self.test_accuracy, "test_std": self.test_std, "best_under": best}


@cache
def champions(file: Path = FILE) -> Mapping[str, Champion]:
    """Every champion by its name, in the order of the file; UnusableInputError where one is invalid."""
    tables = validated(_Tables, {"tables": read_toml(file)}, str(file)).tables
    return {name: validated(Champion, {"name": name, **table}, f"{file}: {name}") for name, table in tables.items()}


class _Tables(BaseModel):
    tables: dict[str, dict[str, Any]]


def best_under(params: float) -> Champion | None:
    """The most accurate champion with fewer parameters; None where there is none."""
    under = [one for one in champions().values() if one.params < params]
    return max(under, key=lambda one: one.test_accuracy, default=None)


def limits() -> Mapping[str, Champion]:
    """The champions by names made of CLASSES: ``champion-200k``, and so on."""
    found = ((f"{PREFIX}{limit // 1000}k", best_under(limit)) for limit in CLASSES)
    return {name: one for name, one in found if one is not None}


def find(text: str) -> Champion:
    """The champion with a name, or under a limit of parameters; UnusableInputError where there is none."""
    name = text.strip()
    if name in champions():
        return champions()[name]
    match = _LIMIT.fullmatch(name)
    found = best_under(float(match[1]) * _SCALE[match[2]]) if match else None
    if found is None:
        known = [*champions(), *limits()]
        hint = f"known are {', '.join(known)}: search.py champions"
        raise UnusableInputError(
            f"no such champion: {name!r}: {hint if match else nearest(name, known, hint, _CUTOFF)}"
        )
    return found
