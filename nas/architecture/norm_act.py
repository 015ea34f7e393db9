"""The table of norms and activations that may follow a convolution.

The text form, modules, exported source, arithmetic, the values of a space and the reading of hand-written models all
use ``TABLE``, so a new activation is one line of it, plus a class in ``blocks`` if torch has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nas.architecture.calls import ModuleCall, Value
from nas.architecture.errors import ArchitectureError


@dataclass(frozen=True, kw_only=True)
class NormAct:
    """A norm or an activation."""

    letter: str
    """Its letter in the text form: upper case, and not N."""
    module: str
    """Its class, as in ``ModuleCall.maker``; that of a norm takes the number of channels."""
    is_norm: bool = False
    short: str = ""
    """Its part of the names of exported functions; empty means its name in the table."""
    params: int = 0
    """Learned values of each channel."""
    operations: tuple[str, ...] = ()
    """An activation as torch.export lists it: operations one after another, of several the last takes the activation's
    input too; empty: one, named as in the table. Norms are read in ``post_reading``."""
    maps: int = 2
    """Most tensors of the map's size in memory at once while it is computed, including input and result."""

    def call(self, channels: Value) -> ModuleCall:
        """The call that creates its module."""
        return ModuleCall(self.module, (channels,) if self.is_norm else ())


TABLE: Mapping[str, NormAct] = {
    "batch_norm": NormAct(letter="B", module="nn.BatchNorm2d", is_norm=True, short="bn", params=2),
    "layer_norm": NormAct(letter="L", module="ChannelNorm", is_norm=True, short="ln", params=2),
    "relu": NormAct(letter="R", module="nn.ReLU"),
    "silu": NormAct(letter="S", module="nn.SiLU"),
    "gelu": NormAct(letter="G", module="nn.GELU"),
    "hardswish": NormAct(letter="H", module="nn.Hardswish"),
    "tanhexp": NormAct(letter="T", module="TanhExp", operations=("exp", "tanh", "mul"), maps=3),
}
"""Name in a component's ``post`` -> entry. Layer norm is over the channels of each pixel; tanhexp is x tanh(exp x)."""


def is_norm(name: str) -> bool:
    """Whether a name in the table is that of a norm; all others are activations."""
    return TABLE[name].is_norm


def norms() -> list[str]:
    """The names of the norms."""
    return [name for name in TABLE if is_norm(name)]


def activations() -> list[str]:
    """The names of the activations."""
    return [name for name in TABLE if not is_norm(name)]


def check(post: Iterable[str]) -> None:
    """Raise ArchitectureError for an unknown name, two norms or two activations."""
    post = tuple(post)
    unknown = [name for name in post if name not in TABLE]
    if unknown:
        raise ArchitectureError(f"unknown layer after a convolution: {unknown[0]!r}: use {', '.join(TABLE)}")
    if len({is_norm(name) for name in post}) < len(post):
        raise ArchitectureError(f"after a convolution: {'-'.join(post)}: at most one norm and one activation")


def read(letters: str) -> tuple[bool, tuple[str, ...]] | None:
    """Whether there is a bias, and what follows, from letters such as ``BR``, ``bR`` and ``N``; None for other text."""
    if letters == "N":
        return False, ()
    bias, by_letter = letters.startswith("b"), {entry.letter: name for name, entry in TABLE.items()}
    post = tuple(by_letter.get(letter, "") for letter in letters[bias:])
    is_readable = letters and "" not in post and len({is_norm(name) for name in post}) == len(post)
    return (bias, post) if is_readable else None


def write(bias: bool, post: Iterable[str]) -> str:
    """The letters that ``read`` reads back; N for neither a bias nor anything that follows."""
    return "b" * bias + "".join(TABLE[name].letter for name in post) or "N"
