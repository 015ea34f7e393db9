"""The child's side of the sandbox: import a target, and find or make its augmentation pipelines."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from constraints.augmentation_steps import is_pipeline
from constraints.errors import ModelFailedError, UnusableInputError
from constraints.missing_modules import remedy
from constraints.sandbox.arguments import needs_nothing
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
    _check_list(name, thing)
    held = [] if arguments else pipelines_in(thing)
    may_make = inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, partial) or bool(arguments)
    if of_another_library(thing) or not may_make or (held and not _returns_one(thing)):
        return held
    try:
        with stage("construction of the augmentation", send):
            made = called(name, thing, arguments, loader, "--augmentation-arg")
    except ModelFailedError:
        if held:
            return held
        raise
    _check_list(f"{name}()", made)
    found = pipelines_in(made)
    if not found and not held and (not inspect.isclass(thing) or any(of_others_in(made))):
        raise _no_pipeline(f"{name}()", made)
    return [(f"(){way}", pipeline) for way, pipeline in found] or held


def _check_list(name: str, thing: Any) -> None:
    """Raise UnusableInputError for a list of transforms with something else in it, which would be left out."""
    if not isinstance(thing, list | tuple) or not any(map(_is_transform, thing)):
        return
    for number, part in enumerate(thing):
        if not pipelines_in(part):
            what = of_another_library(part) or type(part).__name__
            raise UnusableInputError(f"no transform of albumentations': {name!r}[{number}] is {what}: take it out")


def _is_transform(part: Any) -> bool:
    """Whether it is one transform of albumentations, and no pipeline, which may stand beside anything."""
    return not hasattr(part, "transforms") and [way for way, _ in pipelines_in(part)] == [""]


def _returns_one(thing: Any) -> bool:
    """Whether a callable may return a pipeline of its own, rather than apply to its arguments those that it names."""
    return not inspect.isclass(thing) and (needs_nothing(thing) or bool(_names(thing) & _albumentations()))


def _names(thing: Any) -> set[str]:
    """The names in the code of a function."""
    while isinstance(thing, partial):
        thing = thing.func
    code = getattr(inspect.unwrap(thing), "__code__", None)
    return set(code.co_names) if code else set()


def _albumentations() -> set[str]:
    """The names of albumentations' classes, if the user's code has imported it."""
    library = sys.modules.get("albumentations")
    return {name for name, kind in vars(library).items() if inspect.isclass(kind)} if library else set()


def _no_pipeline(name: str, thing: Any) -> UnusableInputError:
    if (path := absent_path(thing)).startswith("albumentations."):
        return UnusableInputError(f"not installed: {path!r}, which {name!r} is: {remedy('albumentations')}")
    own = of_another_library(thing)
    if of_others := ("", own) if own else next(iter(of_others_in(thing)), None):
        way, known = of_others
        what = f"{name + way!r} is {known}, and the rule is about pipelines of albumentations"
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
