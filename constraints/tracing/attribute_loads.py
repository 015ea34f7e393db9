"""Where the code of a model loads an attribute that its code has stored."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import nn

from constraints.tracing.made_names import MayBe, names_made
from constraints.tracing.rounding import held, runs
from constraints.tracing.unseen import has_ways, walked

_BY_TEXT = frozenset(["getattr", "vars", "__dict__", "attrgetter", "__getattribute__"])
"""Names in code that may load an attribute by a text."""
_LOADING = frozenset(["LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"])


class Load(NamedTuple):
    """An instruction that loads an attribute, by its number among those of its function."""

    steps: Sequence[dis.Instruction]
    at: int


Loads = Callable[[str], Sequence[Load] | None]
"""Attribute -> where it is loaded; None where code may load it in a way that is not seen."""


class AttributeLoads:
    """The attributes that the code of modules, and code that it refers to, loads; it is read when first asked for."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        """Read nothing yet."""
        self._modules = modules

    def __call__(self, name: str) -> Sequence[Load] | None:
        """Where an attribute of that name is loaded, of whatever object."""
        if self._is_hidden:
            return None
        _, texts, made = self._read
        if name in texts or any(may_be(name) for may_be in made):
            return None
        return self._loads.get(name, ())

    @cached_property
    def _is_hidden(self) -> bool:
        """Whether some code is no byte code of Python, or runs in a way that is not seen."""
        kept = list(self._modules)
        return any(isinstance(m, torch.jit.ScriptModule) for m in kept) or has_ways(kept)

    @cached_property
    def _read(self) -> tuple[Sequence[Sequence[dis.Instruction]], set[str], Sequence[MayBe]]:
        """The instructions of each function, texts by which one may load an attribute, and names made at run time."""
        kept = list(self._modules)
        functions, texts, made = [], set[str](), list[MayBe]()
        for code, named in walked([*{type(m) for m in kept}, *held(kept)], runs):
            functions.append(list(dis.get_instructions(code)))
            if not _BY_TEXT.isdisjoint(code.co_names):
                texts.update(constant for constant in code.co_consts if isinstance(constant, str))
            made += names_made(code, named)
        return functions, texts, made

    @cached_property
    def _loads(self) -> dict[str, list[Load]]:
        found: dict[str, list[Load]] = {}
        functions, _, _ = self._read
        for steps in functions:
            for at, step in enumerate(steps):
                if step.opname in _LOADING:
                    found.setdefault(_name(step.argval), []).append(Load(steps, at))
        return found


def _name(argument: Any) -> str:
    return str(argument[-1] if isinstance(argument, tuple) else argument)
