"""Components that may be followed by a bias, a norm and an activation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from nas.architecture import norm_act
from nas.architecture.calls import Factory, ModuleCall, Value
from nas.architecture.components.component import Component


@dataclass(frozen=True, kw_only=True)
class Followed(Component):
    """A convolution, or several in parallel, and what follows: ``post`` has names in ``norm_act.TABLE``, in order."""

    bias: bool = False
    post: tuple[str, ...] = ("batch_norm", "relu")

    source_name: ClassVar[str]
    """Prefix of the names of its exported functions."""
    source_about: ClassVar[str]
    """Beginning of their docstrings."""

    def __post_init__(self) -> None:
        """Reject what cannot follow."""
        norm_act.check(self.post)

    @classmethod
    def read(cls, word: str, channels: int, usual: str) -> Self | None:
        """As ``Component.read``; the letters of what follows are after a colon."""
        name, colon, own = word.partition(":")
        values, following = cls._read_name(name, channels), norm_act.read(own if colon else usual)
        if values is None or following is None:
            return None
        return cls(**values, bias=following[0], post=following[1])

    def write(self, channels: int, usual: str) -> str:
        """As ``Component.write``."""
        return self._write_name(channels) + (f":{self.letters}" if self.letters != usual else "")

    @classmethod
    @abstractmethod
    def _read_name(cls, name: str, channels: int) -> dict[str, Any] | None:
        """The fields, without bias and ``post``, of a word without its letters; None for a word of another kind."""

    @abstractmethod
    def _write_name(self, channels: int) -> str:
        """The word without the letters."""

    @property
    def letters(self) -> str:
        """The letters of the bias and of what follows."""
        return norm_act.write(self.bias, self.post)

    @property
    def followers(self) -> tuple[str, ...]:
        """As ``Component.followers``."""
        return self.post

    def factory(
        self, parameters: tuple[str, ...], layers: Callable[..., Mapping[str, ModuleCall]], options: Mapping[str, int]
    ) -> Factory:
        """The function that creates every component of this kind with the same layers after it."""
        followed = " and ".join(name.replace("_", " ") for name in self.post) or "nothing"
        short = [norm_act.TABLE[name].short or name for name in self.post]
        return Factory(
            name="_".join([self.source_name, *["bias"] * self.bias, *short]),
            about=f"{self.source_about} {'with' if self.bias else 'without'} bias, then {followed}.",
            parameters=parameters,
            options=options,
            layers=layers,
        )

    def following(self, channels: Value) -> dict[str, ModuleCall]:
        """The layers ``norm`` and ``act``, as far as there are such, in their order."""
        return {"norm" if norm_act.is_norm(name) else "act": norm_act.TABLE[name].call(channels) for name in self.post}

    def following_params(self, channels: int) -> int:
        """Number of learned values in what follows, for ``channels``."""
        return channels * sum(norm_act.TABLE[name].params for name in self.post)

    @property
    def following_maps_in_place(self) -> int:
        """The same where elementwise operations work in place."""
        return max((norm_act.TABLE[name].maps - 1 for name in self.post), default=0)

    @property
    def following_maps(self) -> int:
        """Most tensors of the map's size in memory at once in what follows."""
        return max((norm_act.TABLE[name].maps for name in self.post), default=0)


def side(length: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """Length of one side of a convolution's result."""
    return (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
