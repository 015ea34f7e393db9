"""The transforms of an albumentations pipeline in order, with the argument names of versions 1 and 2.

Pure: nothing here imports albumentations, so that a pipeline can also be given as its ``to_dict()``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_OLD_ORDER = (
    *("max_holes", "max_height", "max_width", "min_holes", "min_height", "min_width"),
    *("fill_value", "mask_fill_value", "always_apply", "p"),
)
"""The arguments of version 1's coarse dropout, in order."""
_OLD_NAMES = frozenset(_OLD_ORDER) - {"always_apply", "p"}
_OLD_DEFAULTS = {"max_holes": 8, "max_height": 8, "max_width": 8, "fill_value": 0, "mask_fill_value": None}
_NEW_DEFAULTS = {
    "num_holes_range": (1, 2),
    "hole_height_range": (0.1, 0.2),
    "hole_width_range": (0.1, 0.2),
    "fill": 0,
    "fill_mask": None,
}


@dataclass(frozen=True, kw_only=True)
class Written:
    """A recorded call of a constructor, stored in the transform's attribute ``WRITTEN``."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    version: str
    """The installed version of albumentations."""
    refused: str = ""
    """Why the installed version's constructor raised; the transform then has the defaults."""

    def as_version_1(self) -> Mapping[str, Any]:
        """The settings that version 1 would read from the call."""
        return _OLD_DEFAULTS | dict(zip(_OLD_ORDER, self.args, strict=False)) | dict(self.kwargs)


WRITTEN = "_constraints_written"
"""The attribute of a transform that contains the recorded call."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One transform: the names of its class (first) and base classes, and its settings."""

    kinds: tuple[str, ...]
    settings: Mapping[str, Any]
    is_certain: bool = False
    """Whether it runs on every image."""
    never: tuple[str, ...] = ()
    """The calls by whose p = 0 (or n = 0) it never runs, compositions around it first; empty if it can run."""
    is_own: bool = False
    """Whether code of the user's own makes its images: that of a Lambda, or of a class outside albumentations."""
    ignored: tuple[str, ...] = ()
    """Arguments that the constructor did not know and ignored with a warning, except ``always_apply``.

    That one says in version 1 how often the transform runs, and any probability is allowed.
    """
    written: Written | None = None
    """The recorded call of its constructor, if there is one."""


def is_pipeline(thing: Any) -> bool:
    """Whether this is an albumentations transform, a list of transforms, or the ``to_dict()`` of one."""
    if isinstance(thing, Mapping):
        return "__class_fullname__" in (thing["transform"] if isinstance(thing.get("transform"), Mapping) else thing)
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return bool(thing) and all(is_pipeline(t) for t in thing)
    return not isinstance(thing, type) and hasattr(thing, "p") and callable(thing)


_LIBRARY = "albumentations"
_CHOOSES = ("OneOf", "SomeOf", "RandomOrder", "OneOrOther", "SelectiveChannelTransform")


def transforms(node: Any) -> Iterator[Transform]:
    """The transforms of a pipeline in order, those that never run included; compositions are replaced by members."""
    return _all(node, is_certain=True, never=())


def _all(node: Any, *, is_certain: bool, never: tuple[str, ...]) -> Iterator[Transform]:
    """The same, with ``is_certain`` and ``never`` of the composition around the node."""
    if isinstance(node, Mapping):
        yield from _from_dict(node.get("transform", node), is_certain=is_certain, never=never)
    elif isinstance(node, Sequence):
        for child in node:
            yield from _all(child, is_certain=is_certain, never=never)
    else:
        never = (*never, *_why_never(type(node).__name__, getattr(node, "p", 1), getattr(node, "n", 1)))
        is_certain = is_certain and getattr(node, "p", 1) >= 1
        children = getattr(node, "transforms", None)
        if children is not None:
            chooses = type(node).__name__ in _CHOOSES and len(children) > 1
            yield from _all(list(children), is_certain=is_certain and not chooses, never=never)
        else:
            yield _from_object(node, is_certain=is_certain, never=never)


def _why_never(kind: str, p: Any, n: Any) -> Iterator[str]:
    """The settings of a transform or composition by which it never runs, as written in a call."""
    yield from (f"{kind}({name}=0)" for name, value in (("p", p), ("n", n)) if not value)


def _from_object(transform: Any, *, is_certain: bool, never: tuple[str, ...]) -> Transform:
    kinds = tuple(c.__name__ for c in type(transform).__mro__)
    return Transform(
        kinds=kinds,
        settings=_with_defaults(kinds[0], vars(transform)),
        is_certain=is_certain,
        never=never,
        is_own=_is_own(transform),
        ignored=tuple(name for name in getattr(transform, "invalid_args", ()) if name != "always_apply"),
        written=vars(transform).get(WRITTEN),
    )


def _is_own(transform: Any) -> bool:
    """Whether the code that makes a transform's images is not albumentations'."""
    code = getattr(transform, "custom_apply_fns", {}).get("image") or type(transform)
    return str(getattr(code, "__module__", "")).partition(".")[0] != _LIBRARY


def _from_dict(node: Mapping[str, Any], *, is_certain: bool, never: tuple[str, ...]) -> Iterator[Transform]:
    kind = str(node.get("__class_fullname__", "")).rpartition(".")[2]
    p = 1 if node.get("always_apply") else node.get("p", 1)  # of version 1
    never = (*never, *_why_never(kind, p, node.get("n", 1)))
    is_certain = is_certain and p >= 1
    if "transforms" in node:
        yield from _all(node["transforms"], is_certain=is_certain and kind not in _CHOOSES, never=never)
        return
    settings = _with_defaults(kind, node)
    yield Transform(kinds=(kind,), settings=settings, is_certain=is_certain, never=never, is_own=_is_own_name(node))


def _is_own_name(node: Mapping[str, Any]) -> bool:
    """Whether a serialised transform's class, or its function, is not albumentations' own, whose names may be short."""
    module, _, kind = str(node.get("__class_fullname__", "")).rpartition(".")
    return kind == "Lambda" or module.partition(".")[0] not in {"", _LIBRARY}


def _with_defaults(kind: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a coarse dropout with its version's defaults; the argument names show the version."""
    if kind != "CoarseDropout":
        return settings
    old = _OLD_NAMES & set(settings) and not set(_NEW_DEFAULTS) & set(settings)
    return (_OLD_DEFAULTS if old else _NEW_DEFAULTS) | dict(settings)
