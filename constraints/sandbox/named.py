"""The child's side of the sandbox: import a target, and make its model."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from torch import nn

from constraints.errors import (
    ConstraintError,
    MissingChoiceError,
    ModelFailedError,
    NoModelError,
    ToolFailedError,
    UnusableInputError,
)
from constraints.faults import any_hint, calls_user_code, failed
from constraints.sandbox.argument_tables import with_attributes
from constraints.sandbox.arguments import check_arguments, missing_entry, signature_of
from constraints.sandbox.choice import is_models_name, is_module_class, only_model
from constraints.sandbox.loading import Loader
from constraints.sandbox.read_entries import entries_of
from constraints.sandbox.request import Target
from constraints.sandbox.standins import NotInstalledError, absent_path, absent_reason
from constraints.sandbox.unreached_models import written_model
from constraints.suggestions import nearest

_OF_FALLBACK = re.compile(r"'NoneType' object|is not defined")
"""Error where code uses what it could not import."""
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_SAME = 60
"""Length of the beginning of an error by which it is recognised."""
Send = Callable[[Mapping[str, Any]], None]
"""Sends a message to the parent, such as the stage that begins."""


@contextmanager
def stage(name: str, send: Send) -> Iterator[None]:
    """Tell the parent which stage begins; turn what the user's code raises into a ModelFailedError that names it."""
    send({"stage": name})
    try:
        yield
    except (UnusableInputError, ToolFailedError):
        raise
    except ConstraintError as error:
        raise ModelFailedError(str(error), traceback=error.traceback or traceback.format_exc()) from error
    except BaseException as error:
        raise failed(name, error) from error


def explained(error: ConstraintError, loader: Loader) -> ConstraintError:
    """The error, with the stand-ins and left-out statements that may be its cause."""
    if isinstance(error, (NotInstalledError, MissingChoiceError)):
        return UnusableInputError(str(error))
    said = [text for failed in loader.left_out if (text := str(failed)[:_SAME]) and text in str(error)]
    found = [warning for warning in loader.found if not any(text in warning for text in said)]
    is_known = any(module.remedy() in str(error) for module in loader.remedies.absent.packages.values())
    remedies = "" if is_known else loader.remedies.absent.remedies()
    failed = [n for n in _UNDEFINED.findall(str(error)) if n in loader.unbound and not any_hint(loader.unbound[n])]
    own = [f"give {name} a value in the file itself, since what makes it failed" for name in dict.fromkeys(failed)]
    if not own and _OF_FALLBACK.search(str(error)):
        own = [loader.remedies.absent.unfound_remedies()]
    reasons = list(filter(None, (remedies, *own, *found)))
    if not reasons or isinstance(error, (NoModelError, ToolFailedError)):
        return error
    return type(error)(f"{error} ({'; '.join(reasons)})", traceback=error.traceback)


def load_model(target: Target, arguments: Mapping[str, Any], loader: Loader, send: Send) -> nn.Module:
    """Import a target and make its model; raises as ``answer`` does."""
    try:
        thing, _, target = named_thing(target, "import", loader, send, is_given=bool(arguments))
        model = made_model(target, thing, arguments, loader, send)
    except ConstraintError as error:
        raise explained(error, loader) from error
    loader.remedies.absent.is_sealed = True
    return model


def named_thing(
    target: Target, name: str, loader: Loader, send: Send, *, is_given: bool = False
) -> tuple[Any, ModuleType, Target]:
    """Import the target's file or module and look its name up; a name that was left out is filled in.

    The thing, its module, and the target with the name. ``is_given`` says whether there are arguments to call it with.
    """
    with stage(name, send):
        module = loader.load(target)
        root = target.name.split(".")[0]
        reasons = loader.left_out if not _networks(vars(module)) else []  # otherwise the name may be misspelt
        if root and not hasattr(module, root) and (root in loader.unbound or reasons):
            raise loader.unbound.get(root) or reasons[0]
        if not root and loader.classes and reasons:  # the left-out statements would have defined one
            raise reasons[0]
    if not target.name:
        chosen = _chosen(module, target, name, loader, send, is_given=is_given)
        target = replace(target, name=chosen, text=f"{target.place}:{chosen}")
    value: Any = module
    for part in target.name.split("."):
        if not hasattr(value, part):
            raise UnusableInputError(
                f"no such name in {target.place}: {target.name!r}: {_candidates(part, vars(module))}"
            )
        value = getattr(value, part)
    return value, module, target


def _chosen(module: ModuleType, target: Target, name: str, loader: Loader, send: Send, *, is_given: bool) -> str:
    """The name of the one model; raises what the statement raised that would have made it."""
    try:
        return only_model(module, target.place, is_given=is_given)
    except NoModelError as error:
        if loader.unread:
            what = f"no model in {target.place}: {'; '.join(loader.unread)}: correct what defines the model"
            raise NoModelError(what) from error
        if written := written_model(loader.written):
            raise NoModelError(f"no model in {target.place}: {written}") from error
        failures = [failure for bound, failure in loader.unbound.items() if is_models_name(bound)]
        if not failures:
            raise
        with stage(name, send):
            raise failures[-1] from error


def _networks(namespace: Mapping[str, Any]) -> list[str]:
    """Names of module instances and of module classes."""
    found = [n for n, thing in namespace.items() if isinstance(thing, nn.Module) or is_module_class(thing)]
    return [n for n in found if not n.startswith("_")]


def _candidates(name: str, namespace: Mapping[str, Any]) -> str:
    names, own = [n for n in namespace if not n.startswith("_")], _networks(namespace)
    return nearest(name, names, f"did you mean {', '.join(own[:8])}?" if own else "it defines no module")


def made_model(target: Target, thing: Any, arguments: Mapping[str, Any], loader: Loader, send: Send) -> nn.Module:
    """``thing`` if it is a module, else what it returns for the arguments; raises UnusableInputError for no module."""
    if isinstance(thing, nn.Module):
        if arguments:
            raise UnusableInputError(
                f"{target.text!r} is a finished module: --arg {next(iter(arguments))}: leave it out"
            )
        return thing
    if not callable(thing) or (inspect.isclass(thing) and not issubclass(thing, nn.Module)):
        raise _no_module(target.name, thing)
    with stage("construction", send):
        model = called(target.name, thing, arguments, loader)
    if reason := absent_reason(model):
        raise NotInstalledError(f"no model in {target.place}: {target.name} returns {reason}")
    if not isinstance(model, nn.Module):
        raise _no_module(f"{target.name}()", model)
    return model


def _no_module(name: str, thing: Any) -> UnusableInputError:
    kind = f"the class {thing.__name__}" if inspect.isclass(thing) else type(thing).__name__
    return UnusableInputError(
        f"not an nn.Module: {name!r} is {kind}: name a module, a subclass, or a function that returns one"
    )


def called(name: str, thing: Any, arguments: Mapping[str, Any], loader: Loader, flag: str = "--arg") -> Any:
    """What a class or function returns for the arguments; raises UnusableInputError for those that do not fit."""
    _check_arguments(name, thing, arguments, flag)
    given = {key: with_attributes(value) for key, value in arguments.items()}
    remedies = loader.remedies
    try:
        return remedies.in_its_folder(lambda: remedies.on_cpu(lambda: _constructed(thing, given)))
    except (KeyError, AttributeError) as error:
        if not (what := missing_entry(name, thing, arguments, error, flag)):
            raise
        raise MissingChoiceError(what) from error


@calls_user_code
def _constructed(thing: Any, arguments: Mapping[str, Any]) -> Any:
    return thing(**arguments)


def _check_arguments(name: str, thing: Any, arguments: Mapping[str, Any], flag: str) -> None:
    try:
        parameters = [*signature_of(thing).parameters.values()]
    except (TypeError, ValueError):
        return  # written in C: a wrong argument shows when it is called
    entries = {p.name: entries_of(thing, p.name) for p in parameters if p.name not in arguments}
    module = sys.modules.get(getattr(thing, "__module__", ""))
    variables = {n for n, value in vars(module).items() if _is_value(value)} if module else set()
    check_arguments(name, parameters, arguments, flag, entries=entries, variables=variables)


def _is_value(value: Any) -> bool:
    """Whether a variable may be meant as an argument: no module, class or function, and not absent."""
    is_code = inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value)
    return not is_code and not absent_path(value)
