"""Tensors of a run that a model keeps for a later one: as buffers, and in attributes that its code reads."""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from constraints.kept_state import is_torchs
from constraints.tracing.handles import Handle
from constraints.tracing.made_names import names_made
from constraints.tracing.rounding import held
from constraints.tracing.run import Kept
from constraints.tracing.tensor_handles import handle_of
from constraints.tracing.unseen import walked

_OF_ANY_MODULE = frozenset(vars(nn.Module()))
_LOADS = frozenset(["LOAD_ATTR", "LOAD_METHOD"])
_ADDING = frozenset(["append", "appendleft", "extend", "insert", "update", "clear"])


def kept_after(modules: Mapping[str, nn.Module]) -> Kept:
    """Look at the modules, by path, right after a run."""
    buffers = [h for m in modules.values() for b in m._buffers.values() if b is not None and (h := handle_of(b))]
    attributes: dict[tuple[str, str], list[Handle]] = {}
    for path, module in modules.items():
        kind: Any = type(module)
        if is_torchs(kind):
            continue
        for name, value in vars(module).items():
            if name not in _OF_ANY_MODULE and (found := _handles_in(value)):
                attributes[path, name] = found
    is_read = _reads(modules.values()) if attributes else lambda name: False
    shown = {f"{path}.{name}" if path else name: found for (path, name), found in attributes.items() if is_read(name)}
    return Kept(buffers=buffers, attributes=shown)


def _handles_in(value: object) -> list[Handle]:
    found = (handle_of(leaf) for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor))
    return [h for h in found if h is not None and h.content is None]  # others were there before


def _reads(modules: Iterable[nn.Module]) -> Callable[[str], bool]:
    """Whether code of the modules reads an attribute: by its name, a text, or a name that it makes at run time."""
    kept = list(modules)
    program = list(walked([*{type(m) for m in kept}, *held(kept)]))
    names = {name for code, _ in program for name in _read_in(code)}
    made = [may_be for code, named in program for may_be in names_made(code, named)]
    return lambda name: name in names or any(may_be(name) for may_be in made)


def _read_in(code: types.CodeType) -> Iterable[str]:
    yield from (text for text in code.co_consts if isinstance(text, str))
    steps = list(dis.get_instructions(code))
    for at, step in enumerate(steps):
        if step.opname in _LOADS and not _only_adds(steps[at + 1 : at + 3]):
            yield step.argval


def _only_adds(following: Sequence[dis.Instruction]) -> bool:
    """Whether a list or dict that was loaded is only written to: ``self.log["m"] = ...``, ``self.log.append(...)``."""
    first, second = following[0], following[-1]
    adds = first.opname in _LOADS and first.argval in _ADDING
    return adds or (first.opname.startswith("LOAD_") and second.opname == "STORE_SUBSCR")
