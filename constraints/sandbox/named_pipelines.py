"""The child's side of the sandbox: import a target, and find or make its augmentation pipelines."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from constraints.augmentation_steps import is_pipeline
from constraints.errors import UnusableInputError
from constraints.missing_modules import remedy
from constraints.sandbox.loading import Loader
from constraints.sandbox.named import Send, called, named_thing, stage
from constraints.sandbox.pipelines import of_another_library, of_others_in, pipelines_in
from constraints.sandbox.request import Target
from constraints.sandbox.standins import absent_path


def named_pipelines(
    target: Target, arguments: Callable[[Any], Mapping[str, Any]], loader: Loader, send: Send
) -> list[tuple[str, Any]]:
    """The pipelines that a name refers to, each with the path to it; ``arguments`` gives the arguments of a callable.

    Raises UnusableInputError where there is none, ModelFailedError where the user's code raises.
    """
    thing, _, _ = named_thing(target, "import of the augmentation", loader, send)
    found = _pipelines(target.name, thing, arguments(thing), loader, send)
    if not found:
        raise _no_pipeline(target.name, thing)
    return found


def _pipelines(
    name: str, thing: Any, arguments: Mapping[str, Any], loader: Loader, send: Send
) -> list[tuple[str, Any]]:
    """The pipelines that an object contains, or that its return value contains."""
    if arguments and is_pipeline(thing):
        option = next(iter(arguments))
        raise UnusableInputError(f"{name!r} is a finished pipeline: --augmentation-arg {option}: leave it out")
    found = [] if arguments else pipelines_in(thing)
    may_make = inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, partial) or bool(arguments)
    if found or of_another_library(thing) or not may_make:
        return found
    with stage("construction of the augmentation", send):
        made = called(name, thing, arguments, loader, "--augmentation-arg")
    found = pipelines_in(made)
    if not found and (not inspect.isclass(thing) or any(of_others_in(made))):
        raise _no_pipeline(f"{name}()", made)
    return [(f"(){way}", pipeline) for way, pipeline in found]


def _no_pipeline(name: str, thing: Any) -> UnusableInputError:
    if (path := absent_path(thing)).startswith("albumentations."):
        return UnusableInputError(f"not installed: {path!r}, which {name!r} is: {remedy('albumentations')}")
    own = of_another_library(thing)
    if of_others := ("", own) if own else next(iter(of_others_in(thing)), None):
        way, known = of_others
        what = f"{name + way!r} is {known}, and the rule is about albumentations'"
        return UnusableInputError(f"not an albumentations pipeline: {what}: build it with albumentations.Compose")
    is_class = inspect.isclass(thing)
    kind = f"the class {thing.__name__}" if is_class else type(thing).__name__
    inner = [n for n, value in vars(thing if is_class else type(thing)).items() if _may_make(n, value, is_class)]
    ways = f", perhaps one of {', '.join(f'{name}.{n}' for n in inner[:4])}" if inner and "(" not in name else ""
    return UnusableInputError(f"not an albumentations pipeline: {name!r} is {kind}: name a Compose{ways}")


def _may_make(name: str, value: Any, is_class: bool) -> bool:
    """Whether an entry of a class is a callable that can be called without arguments."""
    kinds: tuple[type, ...] = (staticmethod, classmethod) if is_class else (staticmethod, classmethod, property)
    return not name.startswith("_") and isinstance(value, kinds)
