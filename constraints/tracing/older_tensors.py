"""Find the tensors that a model can reach before a run: in attributes of modules, globals, closures and defaults."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from constraints.tracing.module_calls import unwrapped
from constraints.tracing.outputs import inside


def _collect(thing: Any, found: list[torch.Tensor], depth: int, seen: set[int]) -> None:
    for leaf in tree_leaves(thing):
        if isinstance(leaf, torch.Tensor):
            found.append(leaf)
        elif isinstance(leaf, nn.Module):
            found += [*leaf.parameters(), *leaf.buffers()]
        elif depth and id(leaf) not in seen and not isinstance(leaf, _PLAIN):
            seen.add(id(leaf))
            for inner in inside(leaf):
                _collect(inner, found, depth - 1, seen)


_PLAIN = (str, bytes, int, float, complex, type(None), type, types.ModuleType, types.FunctionType)


def kept_by(modules: Iterable[nn.Module]) -> list[torch.Tensor]:
    """The tensors in plain attributes of modules before a run, torch's own layers left out."""
    found: list[torch.Tensor] = []
    for module in modules:
        if not type(module).__module__.startswith("torch.nn.modules"):
            own = {k: v for k, v in module.__dict__.items() if k not in _OF_MODULES}
            _collect(list(own.values()), found, 1, set())
    return found


_OF_MODULES = frozenset(nn.Module().__dict__) - {"training"}


def known_to(modules: Iterable[nn.Module]) -> list[torch.Tensor]:
    """The tensors that the code of modules refers to: globals of their files, closures and default values."""
    found: list[torch.Tensor] = []
    seen: set[int] = set()
    for module in modules:
        functions = [getattr(type(module), "forward", None), *(f for f in module.__dict__.values() if callable(f))]
        for function in functions:
            method = unwrapped(function)
            code: Any = getattr(method, "__wrapped__", method)
            if not isinstance(code, types.FunctionType):
                continue
            cells = [c.cell_contents for c in code.__closure__ or () if _is_full(c)]
            given = [code.__defaults__ or (), code.__kwdefaults__ or {}]
            _collect([*cells, *given], found, 1, seen)
            if id(code.__globals__) not in seen:
                seen.add(id(code.__globals__))
                _collect(list(code.__globals__.values()), found, 0, seen)
    return found


def _is_full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
