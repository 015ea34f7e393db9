"""Calls that create modules, as values without torch: ``blocks.make`` executes them, ``codegen`` writes source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

CONV_OPTIONS: Mapping[str, int] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
"""Keyword arguments of ``nn.Conv2d`` with torch's defaults."""


@dataclass(frozen=True)
class ModuleCall:
    """A call that creates a module."""

    maker: str | Factory
    """A class of torch.nn by ``nn.`` and its name, one of ``nas.architecture.blocks`` by its name, or a factory."""
    arguments: tuple[Value, ...] = ()
    options: Mapping[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the maker."""
        return self.maker if isinstance(self.maker, str) else self.maker.name

    def parts(self) -> Iterator[ModuleCall]:
        """This call and all calls in its arguments, recursively."""
        yield self
        for value in self.arguments:
            if isinstance(value, ModuleCall):
                yield from value.parts()


Value = int | str | ModuleCall | None
"""An argument; a string is source, such as the name of a factory's parameter, which only ``codegen`` supports."""


@dataclass(frozen=True, kw_only=True)
class Factory:
    """A function that creates named layers in sequence; exported source defines it once and calls it per component."""

    name: str
    about: str
    """Its docstring."""
    parameters: tuple[str, ...]
    """Whole numbers; the last one, with ``*`` before it, may collect modules."""
    options: Mapping[str, int] = field(default_factory=dict)
    """Keyword parameters and their defaults."""
    layers: Callable[..., Mapping[str, ModuleCall]]
    """The layers in order, given ``parameters`` and all ``options``."""


def changed(**options: int) -> dict[str, Value]:
    """The keyword arguments of ``nn.Conv2d`` that differ from torch's defaults."""
    return {name: value for name, value in options.items() if value != CONV_OPTIONS[name]}
