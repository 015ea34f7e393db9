"""Reads ``goals.toml``, and decides whether a measured figure meets its goal."""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from constraints.errors import UnusableInputError
from nas.toml import read_toml, validated

FOLDER = Path(__file__).parent
GOALS = FOLDER / "goals.toml"
CPU_CLASSES = {"AVX-512 with bfloat16": "avx512_bf16", "AVX-512": "avx512", "AVX2": "avx2"}
"""Class of processors by ``nas.cpu.cpu_class`` -> its name in ``goals.toml``."""
_HOLDS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}
_SCALES = {"%": 0.01, "k": 1e3, "million": 1e6}
Number = Annotated[float, Field(allow_inf_nan=False)]


def _by_class(goal: Any) -> Any:
    return goal if isinstance(goal, dict) else {"any": goal}


class Goal(BaseModel):
    """The goal of one figure that the documentation promises."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    benchmark: str = Field(pattern=r"^\w+( \S+)*$")
    """A module of ``benchmarks``, with its arguments besides ``--quick --json``."""
    key: str
    """Path to the figure in the benchmark's JSON: keys separated by dots."""
    over: str = ""
    """Path to another figure by which it is divided."""
    comparison: Literal["<=", "<", ">=", ">", "=="]
    goal: Annotated[Mapping[Literal["any", "avx512_bf16", "avx512", "avx2"], Number], BeforeValidator(_by_class)]
    """Class of processors -> goal; a single number is the goal on ``any``."""
    tolerance: float = Field(default=0, ge=0, lt=1)
    """Share of the goal by which a measurement may miss it: the scatter of repeated runs."""
    unit: str = ""
    where: str = Field(pattern=r"^(docs/)?([\w-]+/)?[\w-]+\.md$")
    """The page that states the figure."""
    quote: str
    """The page's text about it; a number in it is the goal of one class of processors."""

    @model_validator(mode="after")
    def _consistent(self) -> Goal:
        if self.tolerance and self.comparison == "==":
            raise ValueError("a figure that must equal its goal has no tolerance: leave it out, or compare by <= or >=")
        stated = quantities(self.quote)
        if stated and not any(math.isclose(number, goal) for number in stated for goal in self.goal.values()):
            raise ValueError(f"the page states {self.quote!r}, which is not the goal: give both the same number")
        return self

    @property
    def module(self) -> str:
        """The benchmark's name without its arguments."""
        return self.benchmark.split()[0]

    def goal_on(self, cpu_class: str) -> float | None:
        """The goal on this class of processors; None if none is set."""
        return next((g for name, g in self.goal.items() if name in {"any", CPU_CLASSES.get(cpu_class)}), None)

    def limit_on(self, cpu_class: str) -> float | None:
        """The goal with its tolerance."""
        goal, sign = self.goal_on(cpu_class), 1 if self.comparison.startswith("<") else -1
        return None if goal is None else goal + sign * self.tolerance * abs(goal)

    def holds(self, measured: float, limit: float) -> bool:
        """Whether a measured figure satisfies the limit."""
        return bool(_HOLDS[self.comparison](measured, limit))

    def measured_in(self, document: Mapping[str, Any]) -> float:
        """The figure in a benchmark's JSON; LookupError says what the JSON has instead."""
        return _number(document, self.key) / (_number(document, self.over) if self.over else 1)


class _Goals(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_seconds: float = Field(gt=0)
    figure: tuple[Goal, ...] = Field(min_length=1)


def read(path: Path = GOALS, benchmarks: Path = FOLDER) -> tuple[float, tuple[Goal, ...]]:
    """Seconds after which a benchmark counts as hung, and the goals; UnusableInputError says what is invalid."""
    found = validated(_Goals, read_toml(path), str(path))
    for name, times in Counter(goal.name for goal in found.figure).items():
        if times > 1:
            raise UnusableInputError(f"{path}: two figures are called {name!r}: give one another name")
    for goal in found.figure:
        if not (benchmarks / f"{goal.module}.py").exists():
            raise UnusableInputError(f"{path}: {goal.name}: no benchmark {goal.module!r}: name a file of {benchmarks}")
    return found.timeout_seconds, found.figure


def quantities(text: str) -> list[float]:
    """The numbers in a text, including those like ``7.50 million`` and ``40 %``."""
    found = re.finditer(r"(\d[\d,]*(?:\.\d+)?) ?(%|k\b|million)?", text)
    return [float(one[1].replace(",", "")) * _SCALES.get(one[2], 1) for one in found]


def _number(document: Mapping[str, Any], path: str) -> float:
    here: Any = document
    for step in path.split("."):
        if not isinstance(here, Mapping) or step not in here:
            beside = ", ".join(map(str, here)) if isinstance(here, Mapping) else repr(here)
            raise LookupError(f"no {step!r} of {path} in the benchmark's JSON, where {beside} is")
        here = here[step]
    if not isinstance(here, int | float) or not math.isfinite(here):
        raise LookupError(f"{path} is {here!r} in the benchmark's JSON, not a number")
    return float(here)
