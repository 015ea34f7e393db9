"""Whether a model's code can access the memory of tensors without an operation or a watched method."""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ExtensionFileLoader
from itertools import dropwhile
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from constraints.tracing.module_calls import unwrapped

_MEMORY = "_C TensorBase _python_dispatch _op_dk redispatch to_dlpack _to_dlpack const_data_ptr from_address"
_AT_RUN_TIME = "importlib import_module attrgetter methodcaller __getattribute__ __builtins__ builtins"
_LANGUAGES = "ctypes cffi cupy numba triton cpp_extension load_inline load_library"
_WAYS = frozenset(f"{_MEMORY} {_LANGUAGES}".split())
"""Names in code, or of packages, that give access to memory or let operations run unseen."""
_NAMES = _WAYS | frozenset(_AT_RUN_TIME.split())
"""The same, with names of functions that look things up by names made at run time."""
_COMPUTING = frozenset([eval, exec, compile, __import__, vars, globals, locals, getattr])
"""Functions that can reach any object by a string made at run time."""
_COMPUTING_NAMES = frozenset(function.__name__ for function in _COMPUTING)
_OWNERS = ("torch._C", "torch.utils._python_dispatch")
"""Modules whose objects, under any name, give access to memory or let operations run unseen."""
_KNOWN = frozenset(["torch", "torchvision", "numpy", "constraints", "nas", *sys.stdlib_module_names]) - _WAYS
"""Packages whose code is not searched: their functions that give access to memory are watched."""
_BETWEEN = frozenset(["CACHE", "PUSH_NULL", "RESUME", "EXTENDED_ARG", "NOP"])
_CALLS = frozenset(["CALL", "PRECALL", "KW_NAMES"])
_SELF = "self"
_judged: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def has_ways(modules: Iterable[nn.Module]) -> bool:
    """Whether the code of modules, or code that it refers to, can read or write memory unseen.

    A TorchScript program can: it converts tensors to numbers itself.
    """
    kinds: dict[type, None] = {}
    for module in modules:
        kinds[type(module)] = None
        if not is_known(type(module).__module__):
            for value in vars(module).values():
                if _is_way(value) or (isinstance(value, types.FunctionType) and _have([value])):
                    return True
    return any(_kind_has(kind) for kind in kinds)


def _kind_has(kind: type) -> bool:
    known = _judged.get(kind)
    if known is None:
        known = _judged[kind] = issubclass(kind, torch.jit.ScriptModule) or _have([kind])
    return known


def _have(begin: Iterable[Any]) -> bool:
    """Whether the code of functions and classes, or of those that it refers to, can do so."""
    return any(_names_way(code) or _computes_names(code) or any(map(_is_way, named)) for code, named in walked(begin))


def walked(
    begin: Iterable[Any], runs: Callable[[Any, types.FunctionType], bool] = lambda thing, function: True
) -> Iterator[tuple[types.CodeType, Sequence[Any]]]:
    """The code of functions and classes, and of those that it refers to, each with the objects that its names refer to.

    ``runs`` takes a class or function and one of its functions, and says whether that one is included.
    """
    seen: dict[int, Any] = {}
    found = list(begin)
    while found:
        thing = found.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        for function in functions(thing):
            for code in within(function.__code__) if runs(thing, function) else ():
                named = [*_named(code, function.__globals__), *_given(function)]
                yield code, named
                found += [v for v in named if isinstance(v, (type, types.FunctionType))]


def _names_way(code: types.CodeType) -> bool:
    """Whether a name or a string in code is one of ``_WAYS``."""
    texts = [text for text in code.co_consts if isinstance(text, str)]
    return any(not _NAMES.isdisjoint(name.split(".")) for name in (*code.co_names, *texts))


def _computes_names(code: types.CodeType) -> bool:
    """Whether code looks up something by a name that it makes at run time.

    ``getattr`` with a literal name is the same as that name, and on ``self`` it finds what is searched anyway.
    """
    return any(name != getattr.__name__ or not _is_on_self(following) for name, following in computed_lookups(code))


def computed_lookups(code: types.CodeType) -> Iterator[tuple[str, Sequence[dis.Instruction]]]:
    """The functions by which code looks up something by a name that it makes at run time, each with what follows."""
    if _COMPUTING_NAMES.isdisjoint(code.co_names):
        return
    steps = [step for step in dis.get_instructions(code) if step.opname not in _BETWEEN]
    for at, step in enumerate(steps):
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"} and step.argval in _COMPUTING_NAMES:
            following = steps[at + 1 :]
            if step.argval != getattr.__name__ or not _is_written_out(following):
                yield step.argval, following


def _is_on_self(steps: Sequence[dis.Instruction]) -> bool:
    first = steps[0].argval  # a tuple of two names where one instruction loads both
    return steps[0].opname.startswith("LOAD_FAST") and (first == _SELF or first[:1] == (_SELF,))


def _is_written_out(steps: Sequence[dis.Instruction]) -> bool:
    """Whether the next arguments are a variable or an attribute, a literal string, and at most one simple default."""
    rest = list(dropwhile(lambda step: step.opname in {"LOAD_ATTR", "LOAD_METHOD"}, steps[1:]))
    names = [step.opname for step in rest[:3]]
    is_plain = steps[0].opname.startswith("LOAD_") and names[0] == "LOAD_CONST"
    is_default = names[1].startswith("LOAD_") and names[1] not in {"LOAD_ATTR", "LOAD_METHOD"}
    return is_plain and (names[1] in _CALLS or (is_default and names[2] in _CALLS))


def _given(function: types.FunctionType) -> Iterator[Any]:
    """The values stored with a function: defaults and closure variables."""
    yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # empty
            yield cell.cell_contents


def _named(code: types.CodeType, file: Mapping[str, Any]) -> Iterator[Any]:
    """The objects that the names of code refer to: in its file, and in the modules that it names there."""
    for name in code.co_names:
        value = file.get(name)
        if value is not None:
            yield value
        if isinstance(value, types.ModuleType) and not is_known(value.__name__):
            yield from (v for n in code.co_names if (v := vars(value).get(n)) is not None)


def functions(thing: Any) -> Iterator[types.FunctionType]:
    """A function, or the methods of a class; none for a package whose code is not searched."""
    if is_known(getattr(thing, "__module__", None)):
        return
    things = [thing]
    if isinstance(thing, type):
        things = [getattr(v, "__func__", getattr(v, "fget", v)) for k in thing.__mro__ for v in vars(k).values()]
    for function in map(unwrapped, things):
        if isinstance(function, types.FunctionType) and not is_known(function.__module__):
            yield function


def is_known(module: str | None) -> bool:
    """Whether a module belongs to a package whose code is not searched."""
    return module is not None and module.partition(".")[0] in _KNOWN


def _is_way(value: Any) -> bool:
    """Whether an object gives access to memory, or is part of a module that does."""
    if isinstance(value, types.ModuleType):
        return not _WAYS.isdisjoint(value.__name__.split(".")) or _is_compiled(value.__name__)
    if isinstance(value, types.BuiltinFunctionType) and value in _COMPUTING:  # under another name, or passed as a value
        return True
    owner = getattr(value, "__module__", None)
    if not isinstance(owner, str):
        owner = type(value).__module__
    if owner in _OWNERS or not _WAYS.isdisjoint(type(value).__module__.split(".")[:1]):
        return not isinstance(value, torch.Generator)
    return isinstance(value, types.BuiltinFunctionType) and _is_compiled(owner)


def _is_compiled(module: str) -> bool:
    """Whether a module is a user's compiled extension: what it does to a tensor is not seen."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return not is_known(module) and isinstance(getattr(spec, "loader", None), ExtensionFileLoader)


def within(code: types.CodeType) -> Iterator[types.CodeType]:
    """Code, and that of the functions and comprehensions in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from within(inner)
