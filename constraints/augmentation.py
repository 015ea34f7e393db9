"""Judge an albumentations pipeline against the assignment's rule 6, in the names of versions 1 and 2.

The rule: a horizontal flip; a shift-scale-rotate; one coarse dropout of 16 x 16 pixels filled with the data
set's mean and leaving masks alone. Other transforms are allowed and probabilities are free, but what can
never run (p = 0) is not there. Pure: nothing here imports albumentations, so a pipeline may also be given as
its ``to_dict()``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constraints.rules import Verdict

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
"""Mean of CIFAR-10's training images per channel, in the scale 0 to 1."""

_NAME = "augmentation"
_RULE = "horizontal flip, shift-scale-rotate, one 16x16 coarse dropout filled with the mean"
_HOLES, _SIDE = 1, 16
_GREY_LEVEL = 1 / 255
_OLD_NAMES = frozenset(
    {
        "max_holes",
        "min_holes",
        "max_height",
        "min_height",
        "max_width",
        "min_width",
        "fill_value",
        "mask_fill_value",
    }
)
_OLD_DEFAULTS = {"max_holes": 8, "max_height": 8, "max_width": 8, "fill_value": 0, "mask_fill_value": None}
_NEW_DEFAULTS = {
    "num_holes_range": (1, 2),
    "hole_height_range": (0.1, 0.2),
    "hole_width_range": (0.1, 0.2),
    "fill": 0,
    "fill_mask": None,
}


@dataclass(frozen=True, kw_only=True)
class _Transform:
    """One transform that can run: its class names (itself first) and its settings."""

    kinds: tuple[str, ...]
    settings: Mapping[str, Any]
    ignored: tuple[str, ...] = ()
    """Arguments that the constructor did not know and dropped with a warning."""


def is_pipeline(thing: Any) -> bool:
    """Whether this is an albumentations transform, a list of them, or the ``to_dict()`` of one."""
    if isinstance(thing, Mapping):
        return "transform" in thing or "__class_fullname__" in thing
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return bool(thing) and all(is_pipeline(t) for t in thing)
    return not isinstance(thing, type) and hasattr(thing, "p") and callable(thing)


def judge_augmentation(
    transform: Any, mean: Sequence[float] = CIFAR10_MEAN, *, image: tuple[int, ...] = (32, 32)
) -> Verdict:
    """Whether a pipeline keeps rule 6, each breach with its remedy in ``fix``.

    ``transform`` is a built transform (nested as you like) or its ``to_dict()``; ``mean`` is the data set's,
    per channel in 0 to 1 (a fill may be given in that scale or in 0 to 255, to within one grey level);
    ``image`` is the height and width to which holes given as fractions refer.
    """
    steps = tuple(_steps(transform))
    breaches = [*_flip(steps), *_affine(steps), *_dropout(steps, tuple(mean), image)]
    why = "; ".join(what for what, _ in breaches) or f"all there: {_RULE}"
    fix = tuple(remedy for _, remedy in breaches)
    return Verdict(name=_NAME, expr=_RULE, value=not breaches, ok=not breaches, why=why, fix=fix)


_Breach = tuple[str, str]


def _flip(steps: tuple[_Transform, ...]) -> Iterator[_Breach]:
    if not any(step.kinds[0] == "HorizontalFlip" for step in steps):
        yield "no horizontal flip", "add HorizontalFlip(p=0.5)"


def _affine(steps: tuple[_Transform, ...]) -> Iterator[_Breach]:
    remedy = "add ShiftScaleRotate(), or Affine with translate_percent, scale and rotate"
    found = [_idle(step) for step in steps if {"ShiftScaleRotate", "Affine"} & set(step.kinds)]
    if not found:
        yield "no shift-scale-rotate", remedy
    elif all(found):
        least = sorted(found, key=len)[0]
        yield f"the shift-scale-rotate does not {' or '.join(least)}", remedy


def _idle(step: _Transform) -> tuple[str, ...]:
    """What a shift-scale-rotate leaves out."""
    s = step.settings
    shift = [s.get(k) for k in ("translate_percent", "translate_px", "shift_limit_x", "shift_limit_y", "shift_limit")]
    moves = {
        "shift": any(_spread(v, 0) for v in shift),
        # a scale limit is written around 0 and kept around 1
        "scale": _spread(s.get("scale"), 1) or (_spread(s.get("scale_limit"), 0) and _spread(s.get("scale_limit"), 1)),
        "rotate": _spread(s.get("rotate"), 0) or _spread(s.get("rotate_limit"), 0),
    }
    if step.kinds[0] == "ShiftScaleRotate" and any(moves.values()):
        return ()  # the transform that the rule names, with limits of the user's choice
    return tuple(name for name, there in moves.items() if not there)


def _spread(value: Any, neutral: float) -> bool:
    """Whether a range (a number, a pair, one for each axis) reaches beyond the value that changes nothing."""
    if isinstance(value, Mapping):
        return any(_spread(v, neutral) for v in value.values())
    if isinstance(value, Sequence):
        return any(_spread(v, neutral) for v in value)
    return value is not None and value != neutral


def _dropout(steps: tuple[_Transform, ...], mean: tuple[float, ...], image: tuple[int, ...]) -> Iterator[_Breach]:
    found = [list(_holes(step, mean, image)) for step in steps if step.kinds[0] == "CoarseDropout"]
    if not found:
        fill = tuple(round(255 * m) for m in mean)
        yield "no coarse dropout", f"add CoarseDropout({_wanted()}, fill={fill}, fill_mask=None)"
    elif all(found):
        yield from min(found, key=len)


def _holes(step: _Transform, mean: tuple[float, ...], image: tuple[int, ...]) -> Iterator[_Breach]:
    """What a coarse dropout does otherwise than the rule says."""
    s = step.settings
    if step.ignored:
        yield (
            f"CoarseDropout ignores {', '.join(step.ignored)}: it cuts {_text(s['num_holes_range'])} "
            f"holes of {_text(s['hole_height_range'])} by {_text(s['hole_width_range'])} of the image, "
            f"filled with {s['fill']!r}",
            f"use the names of version 2: {_wanted()}, fill=..., fill_mask=None",
        )
        return
    if _range(s, "holes", "num_holes_range", (1, 1)) != (_HOLES, _HOLES):
        yield (
            f"CoarseDropout cuts {_text(_range(s, 'holes', 'num_holes_range', (1, 1)))} holes",
            "num_holes_range=(1, 1)",
        )
    for side, length in zip(("height", "width"), image, strict=True):
        pixels = _range(s, side, f"hole_{side}_range", (length, length))
        if pixels != (_SIDE, _SIDE):
            yield f"its holes are {_text(pixels)} px in {side}", f"hole_{side}_range=({_SIDE}, {_SIDE})"
    yield from _fill(s, mean)


def _fill(s: Mapping[str, Any], mean: tuple[float, ...]) -> Iterator[_Breach]:
    fill = s["fill_value"] if _old(s) else s["fill"]
    if not _is_mean(fill, mean):
        wanted = tuple(round(255 * m) for m in mean)
        yield f"its fill {fill!r} is not the data set's mean", f"fill={wanted} on images of 0 to 255"
    if (mask := s["mask_fill_value"] if _old(s) else s["fill_mask"]) is not None:
        yield f"it fills masks with {mask!r}", "fill_mask=None"


def _is_mean(fill: Any, mean: tuple[float, ...]) -> bool:
    """Whether ``fill`` is the mean in 0 to 1 or 0 to 255, per channel or one number for all."""
    if hasattr(fill, "tolist"):
        fill = fill.tolist()
    wanted = mean if isinstance(fill, Sequence) else (sum(mean) / len(mean),)
    given = tuple(fill) if isinstance(fill, Sequence) else (fill,)
    if len(given) != len(wanted) or not all(isinstance(v, (int, float)) for v in given):
        return False
    return any(all(abs(v / scale - m) <= _GREY_LEVEL for v, m in zip(given, wanted, strict=True)) for scale in (1, 255))


def _range(s: Mapping[str, Any], old: str, new: str, whole: tuple[int, int]) -> tuple[Any, Any]:
    """Lower and upper bound of a setting in pixels (or holes), from either version's names."""
    if _old(s):
        most = s[f"max_{old}"]
        least = s.get(f"min_{old}")
        bounds = (most if least is None else least, most)
    else:
        bounds = tuple(s[new]) if isinstance(s[new], Sequence) else (s[new], s[new])
    return tuple(int(b * w) if isinstance(b, float) else b for b, w in zip(bounds, whole, strict=True))  # type: ignore[return-value]


def _old(s: Mapping[str, Any]) -> bool:
    return "max_holes" in s


def _wanted() -> str:
    return f"num_holes_range=(1, 1), hole_height_range=({_SIDE}, {_SIDE}), hole_width_range=({_SIDE}, {_SIDE})"


def _text(bounds: tuple[Any, Any]) -> str:
    return str(bounds[0]) if bounds[0] == bounds[1] else f"{bounds[0]} to {bounds[1]}"


def _steps(node: Any) -> Iterator[_Transform]:
    """The transforms of a pipeline that can run, compositions opened, in order."""
    if isinstance(node, Mapping):
        yield from _from_dict(node.get("transform", node))
    elif isinstance(node, Sequence):
        for child in node:
            yield from _steps(child)
    elif getattr(node, "p", 1) and getattr(node, "n", 1):
        children = getattr(node, "transforms", None)
        if children is not None:
            yield from _steps(list(children))
        else:
            yield _from_object(node)


def _from_object(transform: Any) -> _Transform:
    kinds = tuple(c.__name__ for c in type(transform).__mro__)
    ignored = tuple(getattr(transform, "invalid_args", ()))
    return _Transform(kinds=kinds, settings=_with_defaults(kinds[0], vars(transform)), ignored=ignored)


def _from_dict(node: Mapping[str, Any]) -> Iterator[_Transform]:
    if not node.get("p", 1) or not node.get("n", 1):
        return
    if "transforms" in node:
        yield from _steps(node["transforms"])
        return
    kind = str(node.get("__class_fullname__", "")).rpartition(".")[2]
    yield _Transform(kinds=(kind,), settings=_with_defaults(kind, node))


def _with_defaults(kind: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a coarse dropout leaves unsaid is its version's default; the names tell the version."""
    if kind != "CoarseDropout":
        return settings
    old = _OLD_NAMES & set(settings) and not set(_NEW_DEFAULTS) & set(settings)
    return (_OLD_DEFAULTS if old else _NEW_DEFAULTS) | dict(settings)
