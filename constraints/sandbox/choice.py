"""Choose the model of a file where the user gave no name: the one network that is not part of another."""

from __future__ import annotations

import ast
import dis
import inspect
import re
from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from torch import nn

from constraints.errors import MissingChoiceError, NoModelError
from constraints.owners import is_users
from constraints.sandbox.arguments import flags_for, needs_nothing, required
from constraints.sandbox.code_objects import codes
from constraints.sandbox.source import read
from constraints.sandbox.standins import ABSENT, NotInstalledError, absent_path, absent_reason
from constraints.sandbox.unreached_models import defining_functions, unreached
from constraints.unknown_names import near_method

FIXED = "fixed_model"
"""Name of the function that ``validate --fix`` writes at the end of a file, numbered if the file uses that name."""
_NO_MAKER = ("_", "main", "test", "train")
"""Prefixes of names of functions that run a model instead of returning one."""
_OTHER_FORWARDS = ("call", "__call__")
"""Names that forward methods have elsewhere, as in Keras."""

_MODELS_NAME = re.compile(r"model|net(?![a-z])|Net|[Ss]equential", re.ASCII)


def is_module_class(thing: Any) -> bool:
    """Whether this is a subclass of nn.Module."""
    return inspect.isclass(thing) and issubclass(thing, nn.Module) and thing is not nn.Module


def only_model(module: ModuleType, place: str, *, is_given: bool = False) -> str:
    """The name of the one model that a file defines.

    Layers that another class uses are parts of it; a class that cannot be built without arguments, or whose forward
    method takes more than one input (a loss, say), is passed over for one that can. Where all of them need arguments
    and ``is_given`` is false, or where there are no classes, the partial or the function that returns a network is
    chosen. In a file that ``validate --fix`` wrote it is the fixed one. Raises NoModelError where the file defines
    none, NotInstalledError where it is made of what is missing, and MissingChoiceError, with all of their names,
    where it defines several.
    """
    if not is_given and (fixed := _fixed(module)):
        return fixed
    names = _roots(module) or _instances(vars(module))
    if names and all(inspect.isclass(vars(module)[name]) and not needs_nothing(vars(module)[name]) for name in names):
        complete = [] if is_given else _partials_of(module, names) or _makers_of(module, names)
        names = _built_of(module, names) or complete or names
    names = names or _makers_of_layers(module, is_given=is_given)
    if not names:
        _check_bases(module, place)
        _check_made(module, place)
        raise NoModelError(f"no model in {place}: {_why_none(module, place)}")
    if len(names) > 1:
        listed = ", ".join(names)
        first = f"{place}:{names[0]}" + ("" if is_given else flags_for(vars(module)[names[0]]))
        raise MissingChoiceError(f"several models in {place}: {listed}: name one: {first}")
    return _instance_of(module, names[0])


def _fixed(module: ModuleType) -> str:
    """The name of the last function that ``validate --fix`` wrote into a file; empty where there is none."""
    own = [n for n, t in vars(module).items() if inspect.isfunction(t) and t.__module__ == module.__name__]
    return next(
        (n for n in reversed(own) if re.fullmatch(rf"{FIXED}(_\d+)?", n) and needs_nothing(vars(module)[n])), ""
    )


def _why_none(module: ModuleType, place: str) -> str:
    """Why a file has no model, and what to do."""
    space = vars(module)
    unfinished = [n for t, n in _own(module).items() if t.forward is nn.Module.forward]
    if unfinished:
        kind = space[unfinished[0]]
        near = next((n for n in _OTHER_FORWARDS if n in vars(kind)), "") or near_method(kind, "forward")
        return f"{unfinished[0]} has no forward method: {f'rename {near}' if near else 'write one'}"
    makers = [n for n, t in space.items() if inspect.isfunction(t) and t.__module__ == module.__name__]
    made = [n for n in makers if any(is_module_class(r) for r in _reached(space[n], space))]
    if imported := [n for n, t in space.items() if is_module_class(t) and not t.__module__.startswith("torch.")]:
        first = f"{place}:{imported[0]}{flags_for(space[imported[0]])}"
        return f"it defines none of its own: name one that it imports: {first}"
    tree, others = tree_of_module(module), _makers_of_layers(module, is_given=True)
    made = made or [n for n in others if n in defining_functions(tree)]
    if not made and (elsewhere := unreached(tree)):
        return elsewhere
    made = made or others or _imported_makers(module)
    named = (
        f"{place}:{made[0]}{flags_for(space[made[0]])}" if made else "file:NAME, or the file that defines the network"
    )
    return f"it defines no nn.Module: name a function that returns one: {named}"


def _imported_makers(module: ModuleType) -> list[str]:
    """The functions that a file imports from other files of the user's, and that return networks."""
    found = {n: t for n, t in vars(module).items() if inspect.isfunction(t) and t.__module__ != module.__name__}
    own = [n for n, t in found.items() if is_users(t.__code__.co_filename) and not n.startswith(_NO_MAKER)]
    makers = [n for n in own if any(map(is_module_class, _reached(found[n], found[n].__globals__)))]
    return [n for n in makers if _returns(inspect.unwrap(found[n]))]


def tree_of_module(module: ModuleType) -> ast.Module:
    """The syntax of a file; empty where it has none, as modules of several files do."""
    file = Path(getattr(module, "__file__", None) or "")
    return read(file).tree if file.is_file() else ast.Module(body=[], type_ignores=[])


def _check_bases(module: ModuleType, place: str) -> None:
    """Raise NotInstalledError where a class of the file extends a class of a package that is not installed."""
    own = {n: k for n, k in vars(module).items() if inspect.isclass(k) and k.__module__ == module.__name__}
    for name, kind in sorted(own.items(), key=lambda item: "forward" not in vars(item[1])):
        for base in inspect.getmro(kind):
            if reason := absent_reason(vars(base).get(ABSENT)):
                raise NotInstalledError(f"no model in {place}: {name} extends {reason}")


def _check_made(module: ModuleType, place: str) -> None:
    """Raise NotInstalledError where something of a module that is missing made the file's model."""
    for name, thing in vars(module).items():
        made_by, is_called, _ = absent_path(thing).partition("(")
        if is_called and (is_models_name(name) or is_models_name(made_by)):
            raise NotInstalledError(f"no model in {place}: {name} is made by {absent_reason(thing)}")


def is_models_name(name: str) -> bool:
    """Whether a variable or a dotted name is one that is usual for networks."""
    return bool(_MODELS_NAME.search(name))


def _own(module: ModuleType) -> dict[Any, str]:
    """The nn.Module classes that a file defines, with their names."""
    space = vars(module)
    return {t: n for n, t in space.items() if is_module_class(t) and t.__module__ == module.__name__}


def _built_of(module: ModuleType, classes: list[str]) -> list[str]:
    """The module instances that contain layers of these classes."""
    space = vars(module)
    kinds = tuple(space[name] for name in classes)
    return [n for n in _instances(space) if any(isinstance(part, kinds) for part in space[n].modules())]


def _partials_of(module: ModuleType, classes: list[str]) -> list[str]:
    """The variables that give each of these classes all of its arguments by ``functools.partial``, if all have one."""
    space = vars(module)
    kinds = [space[name] for name in classes]
    found = [n for n, t in space.items() if isinstance(t, partial) and t.func in kinds and needs_nothing(t)]
    return found if {space[n].func for n in found} == {*kinds} else []


def _makers_of(module: ModuleType, classes: list[str]) -> list[str]:
    """The functions, not used by another such one, that need no argument and make networks of these classes."""
    kinds = {vars(module)[name] for name in classes}
    return _makers(module, lambda function, reached: bool(reached & kinds) and needs_nothing(function))


def _makers_of_layers(module: ModuleType, *, is_given: bool) -> list[str]:
    """The functions of a file without classes that build a network of torch's layers and can be called."""

    def makes(function: FunctionType, reached: set[Any]) -> bool:
        named = set().union(*map(_names, [function, *filter(inspect.isfunction, reached)]))
        layers = [thing for thing in (*reached, *(getattr(nn, name, None) for name in named)) if _is_layer(thing)]
        return bool(layers) and (is_given or needs_nothing(function))

    return _makers(module, makes)


def _makers(module: ModuleType, makes: Callable[[FunctionType, set[Any]], bool]) -> list[str]:
    """The functions of a file that return something and fulfil ``makes``, and are used by no other such function."""
    space = vars(module)
    own = {n: t for n, t in space.items() if inspect.isfunction(t) and t.__module__ == module.__name__}
    reached = {n: set(_reached(t, space)) for n, t in own.items()}
    makers = [n for n, t in own.items() if not n.startswith(_NO_MAKER) and makes(t, reached[n])]
    makers = [n for n in makers if _returns(inspect.unwrap(own[n]))]
    return [n for n in makers if not any(own[n] in reached[other] for other in makers if other != n)]


def _is_layer(thing: Any) -> bool:
    """Whether this is one of torch's layer classes, and not a loss."""
    return is_module_class(thing) and not thing.__name__.endswith("Loss")


def _returns(function: FunctionType) -> bool:
    """Whether a function may return something other than None."""
    steps = list(dis.get_instructions(function))
    return any(
        (step.opname == "RETURN_VALUE" and (before.opname, before.argval) != ("LOAD_CONST", None))
        or (step.opname == "RETURN_CONST" and step.argval is not None)
        for before, step in pairwise(steps)
    )


def _roots(module: ModuleType) -> list[str]:
    space, own = vars(module), {t: n for t, n in _own(module).items() if not inspect.isabstract(t)}
    reached = {t: set(_reached(t, space)) for t in own}
    parts = {a for a in own for b in own if a is not b and a in reached[b] and b not in reached[a]}
    parts |= _held(module, own)
    roots = [t for t in own if t not in parts and t.forward is not nn.Module.forward]
    roots = [t for t in roots if not own[t].startswith("_")] or (roots if not _instances(space) else [])
    for is_fit in (_takes_one_input, needs_nothing):
        roots = list(filter(is_fit, roots)) or roots
    return [own[t] for t in roots]


def _held(module: ModuleType, own: Container[Any]) -> set[Any]:
    """The classes of which modules of other classes of the file, given as its variables, have an instance."""
    wholes = [t for t in vars(module).values() if type(t) in own and _takes_one_input(type(t))]
    return {type(part) for whole in wholes for part in whole.modules()} - {type(whole) for whole in wholes}


def _instances(space: Mapping[str, Any]) -> list[str]:
    """Names of the module instances, each once, without those that are parts of others.

    Those without parameters are included only where there are no others; the module that a wrapper for several
    devices contains is named in its place.
    """
    found = {id(t): n for n, t in reversed(list(space.items())) if isinstance(t, nn.Module)}
    names = list(found.values())[::-1]
    names = [n for n in names if any(True for _ in space[n].parameters())] or names
    wholes = [n for n in names if not (isinstance(space[n], nn.DataParallel) and id(space[n].module) in found)]
    inner = {id(part) for n in wholes for part in islice(space[n].modules(), 1, None)}
    return [n for n in wholes if id(space[n]) not in inner]


def _instance_of(module: ModuleType, name: str) -> str:
    """The name of an instance of the class, where the class needs arguments and the file has an instance."""
    space = vars(module)
    if not inspect.isclass(space[name]) or needs_nothing(space[name]):
        return name
    built = [n for n in _instances(space) if type(space[n]) is space[name]]
    return built[0] if len(built) == 1 else name


def _reached(thing: Any, space: Mapping[str, Any]) -> Iterator[Any]:
    """What the code of a class uses from its file, directly and through functions and classes of the file.

    A base class does not count as used: a file with a network and a subclass of it has two networks.
    """
    seen, waiting = {id(thing)}, [thing]
    while waiting:
        current = waiting.pop()
        for name in _names(current):
            found = space.get(name)
            found = found.func if isinstance(found, partial) else found
            if (inspect.isclass(found) or inspect.isfunction(found)) and id(found) not in seen:
                seen.add(id(found))
                waiting.append(found)
                yield found


def _names(thing: Any) -> set[str]:
    members = vars(thing).values() if inspect.isclass(thing) else [thing]
    functions = [f for m in members if isinstance(f := inspect.unwrap(getattr(m, "__func__", m)), FunctionType)]
    return {name for f in functions for code in codes(f.__code__) for name in code.co_names}


def _takes_one_input(kind: Any) -> bool:
    return required(kind.forward) <= 2  # itself and the input
