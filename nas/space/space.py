"""The parametric space of C1-C4 networks: its parameters, presets, and how a choice of them becomes a network."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from constraints.errors import UnusableInputError
from nas.architecture.spec import DEFAULT_CLASSES, DEFAULT_INPUT, Architecture, Block, HeadKind, Shape, Stage
from nas.space import layers
from nas.validation import read_toml, validated

Form = Literal["strided", "strided-last", "dilated"]
Activation = Literal["relu", "silu", "gelu", "hardswish"]
Word = Annotated[str, AfterValidator(layers.check_word)]
Choice = bool | int | str
Choices = Mapping[str, Choice]
"""Parameter name -> chosen value, as Optuna keeps them."""

PRESETS = ("assignment", "wide", "tiny")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Widths(_Table):
    """Channel counts low, low + step, ..., high."""

    low: int = Field(ge=1)
    high: int = Field(ge=1)
    step: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Widths:
        if self.high < self.low or (self.high - self.low) % self.step:
            raise ValueError(f"high {self.high} must be low {self.low} plus a multiple of step {self.step}")
        return self

    def values(self) -> range:
        """Every count, ascending."""
        return range(self.low, self.high + 1, self.step)


class StageSpace(_Table):
    """What one stage may be: ``depth`` layers, the last of them ``down``, the first of the first stage ``stem``."""

    depth: list[Annotated[int, Field(ge=2, le=12)]] = Field(min_length=1)
    width: Widths
    body: list[Word] = Field(min_length=1)
    down: list[Word] = Field(min_length=1)
    stem: list[Word] = Field(default=["c3"], min_length=1)
    residual: list[bool] = Field(default=[False], min_length=1)

    @field_validator("depth", "body", "down", "stem", "residual")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError("a value stands twice: name each once")
        return values


class Space(_Table):
    """A space of networks; ``decode`` makes the network that a choice of parameters stands for."""

    forms: list[Form] = Field(min_length=1)
    activations: list[Activation] = Field(min_length=1)
    heads: list[HeadKind] = Field(min_length=1)
    last_width: Widths
    stages: list[StageSpace] = Field(min_length=1, max_length=8)
    stage_dilations: list[Annotated[int, Field(ge=2)]]
    dilated_widths: float = Field(default=1.0, gt=0, le=1)
    input: Shape = DEFAULT_INPUT
    classes: int = Field(default=DEFAULT_CLASSES, ge=2)

    @model_validator(mode="after")
    def _consistent(self) -> Space:
        if len(self.stage_dilations) != len(self.stages):
            raise ValueError(f"stage_dilations has {len(self.stage_dilations)} values for {len(self.stages)} stages")
        for number, (stage, after) in enumerate(zip(self.stages, self._widths_after(), strict=True), start=1):
            for word in (*stage.body, *stage.down):
                groups = layers.groups_of(word)
                for width in (*stage.width.values(), *after.values()):
                    if any(self._scaled(width, form) % groups for form in self.forms):
                        raise ValueError(f"stage {number}: the groups of {word!r} do not divide the width {width}")
        return self

    def _widths_after(self) -> list[Widths]:
        return [*(stage.width for stage in self.stages[1:]), self.last_width]

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Every parameter that has a choice, by name; the same for every network of the space."""
        named: dict[str, list[Any] | Widths] = {
            "form": self.forms,
            "activation": self.activations,
            "head": self.heads,
        }
        for i, stage in enumerate(self.stages, start=1):
            named |= {
                f"c{i}.depth": stage.depth,
                f"c{i}.width": stage.width,
                f"c{i}.residual": stage.residual,
            }
            for j in range(1, max(stage.depth)):
                named[f"c{i}.layer{j}"] = stage.stem if (i, j) == (1, 1) else stage.body
            named[f"c{i}.down"] = stage.down
        named["last.width"] = self.last_width
        return {
            name: IntDistribution(values.low, values.high, step=values.step)
            if isinstance(values, Widths)
            else CategoricalDistribution(values)
            for name, values in named.items()
            if len(_values(values)) > 1
        }

    @cached_property
    def _constants(self) -> dict[str, Choice]:
        constants: dict[str, Choice] = {
            "form": self.forms[0],
            "activation": self.activations[0],
            "head": self.heads[0],
        }
        for i, stage in enumerate(self.stages, start=1):
            constants |= {f"c{i}.depth": stage.depth[0], f"c{i}.width": stage.width.low}
            constants |= {f"c{i}.residual": stage.residual[0], f"c{i}.down": stage.down[0]}
            for j in range(1, max(stage.depth)):
                constants[f"c{i}.layer{j}"] = stage.stem[0] if (i, j) == (1, 1) else stage.body[0]
        return {**constants, "last.width": self.last_width.low}

    def decode(self, choices: Choices) -> Architecture:
        """The network of ``choices`` (one value a distribution); parameters of layers beyond the depth are ignored."""
        chosen: dict[str, Any] = {**self._constants, **choices}
        form: Form = chosen["form"]
        post = ("batch_norm", str(chosen["activation"]))
        widths = [self._scaled(chosen[f"c{i}.width"], form) for i in range(1, len(self.stages) + 1)]
        widths.append(self._scaled(chosen["last.width"], form))
        stages = [self._stage(i, chosen, widths, post) for i in range(1, len(self.stages) + 1)]
        if chosen["head"] == "gap":
            (classifier,) = layers.convs("pw", widths[-1], self.classes, post=())
            stages[-1] = (*stages[-1], Block(convs=(classifier,)))
        return Architecture(stages=tuple(stages), head=chosen["head"], input=self.input, classes=self.classes)

    def _stage(self, i: int, chosen: Mapping[str, Any], widths: list[int], post: tuple[str, ...]) -> Stage:
        channels, width, after = (self.input[0] if i == 1 else widths[i - 1]), widths[i - 1], widths[i]
        blocks: list[Block] = []
        for j in range(1, chosen[f"c{i}.depth"]):
            body = layers.convs(chosen[f"c{i}.layer{j}"], channels, width, post=post)
            blocks += _blocks(body, residual=chosen[f"c{i}.residual"] and (i, j) != (1, 1))
            channels = width
        last = i == len(self.stages)
        form: Form = chosen["form"]
        strides = form == "strided-last" or (form == "strided" and not last)
        down = layers.convs(
            chosen[f"c{i}.down"], channels, after, post=post, stride=2 if strides else 1,
            dilation=self.stage_dilations[i - 1] if form == "dilated" else None,
        )  # fmt: skip
        return (*blocks, *_blocks(down, residual=False))

    def _scaled(self, width: int, form: Form) -> int:
        return max(1, round(width * self.dilated_widths)) if form == "dilated" else width

    def random(self, generator: random.Random) -> dict[str, Choice]:
        """Choices drawn uniformly, each parameter by itself."""
        return {name: _draw(d, generator) for name, d in self.distributions.items()}

    @property
    def fingerprint(self) -> str:
        """A hash that two spaces share exactly when they hold the same choices."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def load(source: str, *, input: Shape = DEFAULT_INPUT, classes: int = DEFAULT_CLASSES) -> Space:
    """The space of a preset's name or a TOML file; a file may start from ``base = "assignment"`` and change keys."""
    table = _table(source)
    return validated(Space, {**table, "input": input, "classes": classes}, source)


def _table(source: str) -> dict[str, Any]:
    if source in PRESETS:
        text = resources.files("nas.space") / "presets" / f"{source}.toml"
        with resources.as_file(text) as path:
            return read_toml(path)
    if not source.endswith(".toml"):
        raise UnusableInputError(f"no such space: {source!r}: give {', '.join(PRESETS)} or a .toml file")
    table = read_toml(Path(source))
    base = table.pop("base", None)
    if base is None:
        return table
    if base not in PRESETS:
        raise UnusableInputError(f"{source}: base: {base!r}: start from one of {', '.join(PRESETS)}")
    return {**_table(base), **table}


def _blocks(convs: tuple[Any, ...], *, residual: bool) -> list[Block]:
    return [Block(convs=convs, residual=True)] if residual else [Block(convs=(conv,)) for conv in convs]


def _values(values: list[Any] | Widths) -> list[Any] | range:
    return values.values() if isinstance(values, Widths) else values


def _draw(distribution: BaseDistribution, generator: random.Random) -> Choice:
    if isinstance(distribution, IntDistribution):
        return generator.randrange(distribution.low, distribution.high + 1, distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        return generator.choice(distribution.choices)  # type: ignore[return-value]  # our choices are bool, int, str
    raise TypeError(f"a space has no distribution like {distribution!r}")
