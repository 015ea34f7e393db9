"""What one stage of a space may be, and what the values of a space's file must be by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from nas.architecture import norm_act
from nas.space import layer_words

Form = Literal["strided", "strided-last", "dilated"]

_MOST_CHANNELS = 65_536


def _norm(name: str) -> str:
    """``name`` itself, which is a norm's without ``_norm``."""
    return _one_of([norm.removesuffix("_norm") for norm in norm_act.norms()], name)


def _activation(name: str) -> str:
    """``name`` itself, which is an activation's."""
    return _one_of(norm_act.activations(), name)


def _one_of(known: Sequence[str], name: str) -> str:
    if name not in known:
        raise ValueError(f"use {', '.join(known)}")
    return name


def distinct(values: list[Any]) -> list[Any]:
    """``values`` themselves; ValueError where one is given twice."""
    if len(set(values)) < len(values):
        raise ValueError("a value is given twice: name each once")
    return values


Norm = Annotated[str, AfterValidator(_norm)]
Activation = Annotated[str, AfterValidator(_activation)]


def _residual(value: Any) -> Any:
    """``value`` itself, which is one of a residual's."""
    if not isinstance(value, bool) and value != "scaled":
        raise ValueError('write true, false or "scaled"')
    return value


Residual = Annotated[Literal["scaled"] | bool, BeforeValidator(_residual)]
"""Whether body layers add their input, and whether they scale it by a learned factor a channel."""
Word = Annotated[str, AfterValidator(layer_words.check_word)]
FirstWord = Annotated[str, AfterValidator(layer_words.check_first)]
LastWord = Annotated[str, AfterValidator(layer_words.check_last)]


class Table(BaseModel):
    """A frozen table of a file, in which every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Widths(Table):
    """Channel counts low, low + step, ..., high."""

    low: int = Field(ge=1, le=_MOST_CHANNELS)
    high: int = Field(ge=1, le=_MOST_CHANNELS)
    step: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Widths:
        if self.high < self.low or (self.high - self.low) % self.step:
            raise ValueError(f"high {self.high} must be low {self.low} plus a multiple of step {self.step}")
        return self

    def values(self) -> range:
        """Every count, ascending."""
        return range(self.low, self.high + 1, self.step)


class StageSpace(Table):
    """What one stage may be: ``depth`` layers, the last of them ``down``, the first of the first stage ``stem``."""

    depth: list[Annotated[int, Field(ge=2, le=12)]] = Field(min_length=1)
    width: Widths
    body: list[Word] = Field(min_length=1)
    down: list[LastWord] = Field(min_length=1)
    stem: list[FirstWord] = Field(default=["c3"], min_length=1)
    residual: list[Residual] = Field(default=[False], min_length=1)

    @field_validator("depth", "body", "down", "stem", "residual")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        return distinct(values)
