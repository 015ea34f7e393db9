"""The parametric space of C1-C4 networks: its parameters, presets, and how a choice of them becomes a network."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from math import ceil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from pydantic import Field, field_validator, model_validator

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.architecture import norm_act
from nas.architecture.components import Conv, Unshuffle
from nas.architecture.spec import DEFAULT_CLASSES, DEFAULT_INPUT, Architecture, Block, HeadKind, Shape, Stage
from nas.space.layer_blocks import layer_blocks
from nas.space.stage_checks import check_stage, check_written
from nas.space.stage_space import Activation, Form, Norm, Residual, StageSpace, Table, Widths, distinct
from nas.toml import read_toml, validated

Choice = bool | int | str
Choices = Mapping[str, Choice]
"""Parameter name -> chosen value, as Optuna keeps them."""
Encoded = npt.NDArray[np.int64]
"""Candidates as rows of value indices, one column a parameter of ``Space.parameters``."""

PRESETS = ("assignment", "wide", "tiny", "long", "small")


class Space(Table):
    """A space of networks; ``decode`` makes the network that a choice of parameters describes."""

    forms: list[Form] = Field(min_length=1)
    norms: list[Norm] = Field(default=["batch"], min_length=1)
    activations: list[Activation] = Field(min_length=1)
    heads: list[HeadKind] = Field(min_length=1)
    last_width: Widths
    stages: list[StageSpace] = Field(min_length=1, max_length=8)
    stage_dilations: list[Annotated[int, Field(ge=2)]]
    dilated_widths: float = Field(default=1.0, gt=0, le=1)
    input: Shape = DEFAULT_INPUT
    classes: int = Field(default=DEFAULT_CLASSES, ge=2)
    stem_stride: int = Field(default=1, ge=1, le=8)
    """Pixels along each side that an unshuffle before the stem puts into channels; 1 is none."""

    @field_validator("forms", "norms", "activations", "heads")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        return distinct(values)

    @model_validator(mode="after")
    def _consistent(self) -> Space:
        if len({norm_act.TABLE[name].maps for name in self.activations}) > 1:
            raise ValueError(
                f"activations that hold different numbers of maps: {', '.join(self.activations)}: "
                "give tanhexp alone, so that no metric differs between them"
            )
        if len(self.stage_dilations) != len(self.stages):
            raise ValueError(f"stage_dilations has {len(self.stage_dilations)} values for {len(self.stages)} stages")
        for number in range(1, len(self.stages) + 1):
            for form in self.forms:
                check_stage(self, number, form)
        return self

    @property
    def post(self) -> tuple[str, str]:
        """A norm and an activation that may follow a convolution; no metric differs between two of a space."""
        return f"{self.norms[0]}_norm", self.activations[0]

    @property
    def stem_channels(self) -> int:
        """Channels that the stem's convolution gets."""
        return self.input[0] * self.stem_stride**2

    def stem(self, word: str, width: int, post: tuple[str, ...]) -> tuple[Block, ...]:
        """The blocks of the first layer: the images' unshuffle where there is one, then the layer; never residual."""
        blocks = layer_blocks(word, self.stem_channels, width, post=post)
        return (Block(components=(Unshuffle(factor=self.stem_stride),)), *blocks) if self.stem_stride > 1 else blocks

    def widths_after(self, number: int) -> Widths:
        """Channels that stage ``number`` (from 1) hands on."""
        return self.stages[number].width if number < len(self.stages) else self.last_width

    @cached_property
    def parameters(self) -> dict[str, tuple[Choice, ...]]:
        """Every parameter and its values, those with a single value too; the same for every network of the space."""
        named: dict[str, Any] = {
            "form": self.forms,
            "norm": self.norms,
            "activation": self.activations,
            "head": self.heads,
        }
        for i, stage in enumerate(self.stages, start=1):
            named |= {
                f"c{i}.depth": stage.depth,
                f"c{i}.width": stage.width.values(),
                f"c{i}.residual": stage.residual,
            }
            for j in range(1, max(stage.depth)):
                named[f"c{i}.layer{j}"] = stage.stem if (i, j) == (1, 1) else stage.body
            named[f"c{i}.down"] = stage.down
        named["last.width"] = self.last_width.values()
        return {name: tuple(values) for name, values in named.items()}

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Every parameter that has a choice, by name."""
        return {
            name: IntDistribution(int(values[0]), int(values[-1]), step=int(values[1]) - int(values[0]))
            if name.endswith("width")
            else CategoricalDistribution(values)
            for name, values in self.parameters.items()
            if len(values) > 1
        }

    @cached_property
    def columns(self) -> dict[str, int]:
        """Parameter name -> its column in encoded candidates."""
        return {name: i for i, name in enumerate(self.parameters)}

    @cached_property
    def _firsts(self) -> dict[str, Choice]:
        return {name: values[0] for name, values in self.parameters.items()}

    @cached_property
    def _indices(self) -> dict[str, dict[tuple[type, Choice], int]]:
        return {n: {(type(v), v): i for i, v in enumerate(values)} for n, values in self.parameters.items()}

    def encode(self, choices: Choices) -> list[int]:
        """Choices as value indices, a column a parameter; a parameter that is not named takes its first value."""
        return [
            self._indices[name][type(choices[name]), choices[name]] if name in choices else 0
            for name in self.parameters
        ]

    def choices(self, row: npt.ArrayLike) -> dict[str, Choice]:
        """The choices that a row of value indices encodes, of the parameters that have a choice."""
        found = zip(self.parameters.items(), np.asarray(row).tolist(), strict=True)
        return {name: values[index] for (name, values), index in found if len(values) > 1}

    def decode(self, choices: Choices) -> Architecture:
        """The network of ``choices`` (one value a distribution); parameters of layers beyond the depth are ignored."""
        chosen: dict[str, Any] = {**self._firsts, **choices}
        form: Form = chosen["form"]
        post = (f"{chosen['norm']}_norm", str(chosen["activation"]))
        widths = [self.scaled(chosen[f"c{i}.width"], form) for i in range(1, len(self.stages) + 1)]
        widths.append(self.scaled(chosen["last.width"], form))
        stages = [self._stage(i, chosen, widths, post) for i in range(1, len(self.stages) + 1)]
        if chosen["head"] == "gap":
            stages[-1] = (*stages[-1], self.classifier())
        return Architecture(stages=tuple(stages), head=chosen["head"], input=self.input, classes=self.classes)

    def classifier(self) -> Block:
        """The 1x1 convolution to the classes where nothing follows the global pool."""
        return Block(components=(Conv(out=self.classes, kernel=1, post=()),))

    def _stage(self, i: int, chosen: Mapping[str, Any], widths: list[int], post: tuple[str, ...]) -> Stage:
        width, after = widths[i - 1], widths[i]
        residual: Residual = chosen[f"c{i}.residual"]
        result: list[Block] = []
        for j in range(1, chosen[f"c{i}.depth"]):
            word = chosen[f"c{i}.layer{j}"]
            is_stem = (i, j) == (1, 1)
            result += (
                self.stem(word, width, post)
                if is_stem
                else layer_blocks(word, width, width, post=post, residual=residual)
            )
        stride, dilation = self.ending(i, chosen["form"])
        last = layer_blocks(chosen[f"c{i}.down"], width, after, post=post, stride=stride, dilation=dilation)
        return (*result, *last)

    def ending(self, number: int, form: Form) -> tuple[int, int | None]:
        """Stride of the last layer of stage ``number`` (from 1), and its dilation where the form gives it one."""
        if form == "dilated":
            return 1, self.stage_dilations[number - 1]
        return (2 if form == "strided-last" or number < len(self.stages) else 1), None

    def map_size(self, number: int, form: Form) -> tuple[int, int, int]:
        """(height, width, jump) of the map that stage ``number`` works on; one past the last stage: the last map."""
        height, width = (side // self.stem_stride for side in self.input[1:])
        strided = sum(self.ending(n, form)[0] == 2 for n in range(1, number))
        for _ in range(strided):
            height, width = ceil(height / 2), ceil(width / 2)
        return height, width, self.stem_stride * 2**strided

    def scaled(self, width: int, form: Form) -> int:
        """Channels of a width in a form."""
        return max(1, round(width * self.dilated_widths)) if form == "dilated" else width

    def random(self, generator: random.Random) -> dict[str, Choice]:
        """Choices drawn uniformly, each parameter by itself."""
        return {name: _draw(d, generator) for name, d in self.distributions.items()}

    @property
    def fingerprint(self) -> str:
        """A hash that two spaces share exactly when they hold the same choices."""
        table = self.model_dump(mode="json", exclude={"stem_stride"} if self.stem_stride == 1 else None)
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]


def load(source: str, *, input: Shape = DEFAULT_INPUT, classes: int = DEFAULT_CLASSES) -> Space:
    """The space of a preset's name or a TOML file; a file may start from ``base = "assignment"`` and change keys."""
    table = _table(source)
    for key in ("input", "classes"):
        if key in table:
            raise UnusableInputError(f"{source}: {key}: {table[key]!r}: follows from the data: take the key out")
    usual = {"stem_stride": usual_stem_stride(input)}
    space = validated(Space, {**usual, **table, "input": input, "classes": classes}, source, is_strict=True)
    check_written(space, source)
    return space


def usual_stem_stride(input: Shape) -> int:
    """2 for images of 96 pixels and more along each side, 4 from 192 on, where that divides both; else 1."""
    _, height, width = input
    return next((n for n in (4, 2) if min(height, width) >= 48 * n and not height % n and not width % n), 1)


def _table(source: str) -> dict[str, Any]:
    if source in PRESETS:
        text = resources.files("nas.space") / "presets" / f"{source}.toml"
        with resources.as_file(text) as path:
            return read_toml(path)
    if not source.endswith(".toml"):
        hint = nearest(source, PRESETS, f"give {', '.join(PRESETS)} or a .toml file")
        raise UnusableInputError(f"no such space: {source!r}: {hint}")
    table = read_toml(Path(source))
    base = table.pop("base", None)
    if base is None:
        return table
    if base not in PRESETS:
        raise UnusableInputError(f"{source}: base: {base!r}: start from one of {', '.join(PRESETS)}")
    return {**_table(base), **table}


def _draw(distribution: BaseDistribution, generator: random.Random) -> Choice:
    if isinstance(distribution, IntDistribution):
        return generator.randrange(distribution.low, distribution.high + 1, distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        return generator.choice(distribution.choices)  # type: ignore[return-value]  # our choices are bool, int, str
    raise TypeError(f"a space has no distribution like {distribution!r}")
