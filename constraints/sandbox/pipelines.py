"""Find the albumentations pipelines in a user's object, and record the arguments of their dropout transforms."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any
from unittest.mock import patch

from constraints.augmentation_steps import WRITTEN, Written, is_pipeline
from constraints.errors import shortened
from constraints.sandbox.standins import absent_path

_DEEPEST = 4
_LONGEST = 120
_OTHERS = (
    "torchvision.transforms",
    "kornia.augmentation",
    "imgaug.augmenters",
    "torchaudio.transforms",
    "monai.transforms",
)
_IS_OLD = ("max_holes", "max_height", "max_width", "fill_value", "mask_fill_value")


@contextmanager
def remembered() -> Iterator[None]:
    """While entered, a CoarseDropout records its arguments, and one with the arguments of version 1 can be built."""
    import albumentations

    build = albumentations.CoarseDropout.__init__
    installed = version("albumentations")

    @functools.wraps(build)
    def remembering(self: Any, *args: Any, **kwargs: Any) -> None:
        refused = ""
        try:
            build(self, *args, **kwargs)
        except Exception as error:
            if not args and not set(_IS_OLD) & set(kwargs):
                raise
            refused = _rejection(error)
            build(self)
        vars(self)[WRITTEN] = Written(args=args, kwargs=kwargs, version=installed, refused=refused)

    with patch.object(albumentations.CoarseDropout, "__init__", remembering):
        yield


def _rejection(error: Exception) -> str:
    """Why a constructor rejected its arguments; of pydantic's errors the first, with its argument."""
    from pydantic import ValidationError  # which albumentations has loaded

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ValidationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return shortened(str(error), _LONGEST)
    first, *others = cause.errors(include_url=False)
    place = ".".join(map(str, first["loc"]))
    more = f", and {len(others)} more of its arguments are wrong" if others else ""
    return f"{place} = {reprlib.repr(first['input'])}: {first['msg'][:1].lower()}{first['msg'][1:]}{more}"


def pipelines_in(thing: Any) -> list[tuple[str, Any]]:
    """The pipelines in an object, each with the path to it: itself, or its items, attributes and closures."""
    return list(_within(thing, lambda v: is_pipeline(v) and _is_albumentations(v) and not _is_several(v)))


def of_others_in(thing: Any) -> Iterator[tuple[str, str]]:
    """The transforms of other libraries in an object, each with the path to it and its library and class."""
    for way, part in _within(thing, _is_of_another):
        yield way, of_another_library(part)


def _is_of_another(value: Any) -> bool:
    return not inspect.isclass(value) and bool(of_another_library(value))


def _within(thing: Any, is_wanted: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """The wanted objects in an object, each with the path to it; what is within a wanted one is not searched."""
    seen: set[int] = set()

    def within(value: Any, way: str, depth: int) -> Iterator[tuple[str, Any]]:
        if id(value) in seen or depth > _DEEPEST or absent_path(value):
            return
        seen.add(id(value))
        if is_wanted(value):
            yield way, value
            return
        for step, part in _parts(value):
            yield from within(part, way + step, depth + 1)

    return within(thing, "", 0)


def of_another_library(thing: Any) -> str:
    """The transform class of another library that this is or extends; empty for anything else."""
    if path := absent_path(thing):
        package, _, name = path.partition(".")
        return f"{package}'s {name.removesuffix('()').rpartition('.')[2]}"
    for kind in type(thing).__mro__:
        package = kind.__module__.partition(".")[0]
        if kind.__module__.startswith(_OTHERS):
            return f"{package}'s {kind.__name__}"
    return ""


def _is_albumentations(value: Any) -> bool:
    """Whether transforms are albumentations' own, and not another library's that have a ``p`` too."""
    if isinstance(value, Mapping):
        return True
    if isinstance(value, Sequence):
        return all(map(_is_albumentations, value))
    return any(kind.__module__.partition(".")[0] == "albumentations" for kind in type(value).__mro__)


def _is_several(value: Any) -> bool:
    """Whether a list contains whole pipelines, and not the transforms of one."""
    return isinstance(value, Sequence) and any(hasattr(part, "transforms") for part in value) and len(value) > 1


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of an object, each with the path to it."""
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{i}]", part) for i, part in enumerate(value))
    elif isinstance(value, functools.partial):
        yield from _parts([value.func, *value.args, value.keywords])
    elif inspect.ismethod(value):
        yield ".__self__", value.__self__
    elif inspect.isfunction(value):
        found = inspect.getclosurevars(value)
        yield from ((f" with {name}", part) for name, part in (*found.nonlocals.items(), *_own(found.globals)))
    elif not isinstance(value, (str, bytes, int, float, type(None))) and not inspect.ismodule(value):
        kind, own = (value, {}) if inspect.isclass(value) else (type(value), getattr(value, "__dict__", {}))
        yield from ((f".{name}", part) for name, part in (*_own(vars(kind)), *own.items()))


def _own(space: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The entries of a namespace that are values and not code."""
    return [
        (name, part)
        for name, part in space.items()
        if not name.startswith("__") and not inspect.isroutine(part) and not inspect.ismodule(part)
        and not inspect.isclass(part)
    ]  # fmt: skip
