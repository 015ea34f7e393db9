"""Judge an albumentations pipeline against the assignment's rule 6, in the names of versions 1 and 2.

The rule: a horizontal flip; a shift-scale-rotate; one coarse dropout of 16 x 16 pixels filled with the data
set's mean and leaving masks alone. Other transforms are allowed and probabilities are free, but what can
never run (p = 0) is not there. Pure: nothing here imports albumentations, so a pipeline may also be given as
its ``to_dict()``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from constraints.verdicts import Verdict

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
"""Mean of CIFAR-10's training images per channel, in the scale 0 to 1."""

NAME = "augmentation"
"""Of its verdict."""
_RULE = "horizontal flip, shift-scale-rotate, one 16x16 coarse dropout filled with the mean"
_HOLES, _SIDE = 1, 16
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What a normalisation subtracts and divides by where nothing is said."""
_GREY_LEVEL = 1 / 255
_OLD_ORDER = (
    *("max_holes", "max_height", "max_width", "min_holes", "min_height", "min_width"),
    *("fill_value", "mask_fill_value", "always_apply", "p"),
)
"""The arguments of version 1's coarse dropout in their order."""
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
    """A constructor's call as it was written, which a transform carries as ``WRITTEN``."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    version: str
    """The installed albumentations."""
    refused: str = ""
    """Why the constructor of that version raised; the transform then has its defaults."""

    def as_version_1(self) -> Mapping[str, Any]:
        """The settings that version 1 would read from the call."""
        return _OLD_DEFAULTS | dict(zip(_OLD_ORDER, self.args, strict=False)) | dict(self.kwargs)


WRITTEN = "_constraints_written"
"""The attribute of a transform that holds how it was written."""


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """What became of a pixel of 0 to 1 on its way through a pipeline: ``factor * pixel + shift``, per channel."""

    factor: tuple[float, ...]
    shift: tuple[float, ...]
    words: str
    unknown: str = ""
    """Why it is not known."""

    def of(self, pixel: Sequence[float]) -> tuple[float, ...]:
        """What a pixel has become."""
        return tuple(f * p + s for f, p, s in zip(self.factor, pixel, self.shift, strict=True))


@dataclass(frozen=True, kw_only=True)
class _Transform:
    """One transform that can run: its class names (itself first) and its settings."""

    kinds: tuple[str, ...]
    settings: Mapping[str, Any]
    is_certain: bool = False
    """Whether it runs on every image."""
    ignored: tuple[str, ...] = ()
    """Arguments that the constructor did not know and dropped with a warning."""
    written: Written | None = None
    """How its constructor was called, where that was recorded."""


def is_pipeline(thing: Any) -> bool:
    """Whether this is an albumentations transform, a list of them, or the ``to_dict()`` of one."""
    if isinstance(thing, Mapping):
        return "__class_fullname__" in (thing["transform"] if isinstance(thing.get("transform"), Mapping) else thing)
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return bool(thing) and all(is_pipeline(t) for t in thing)
    return not isinstance(thing, type) and hasattr(thing, "p") and callable(thing)


def judge_augmentation(
    transform: Any, mean: Sequence[float] = CIFAR10_MEAN, *, image: tuple[int, ...] = (32, 32)
) -> Verdict:
    """Whether a pipeline keeps rule 6, each breach with its remedy in ``fix``.

    ``transform`` is a built transform (nested as you like) or its ``to_dict()``; ``mean`` is the data set's,
    per channel in 0 to 1. Images enter with pixels of 0 to 255; a fill has to be the mean in the scale that they have
    where it is applied (behind a normalisation another one), to within one grey level. ``image`` is the height and
    width to which holes given as fractions refer.
    """
    steps = tuple(_steps(transform))
    breaches = [*_flip(steps), *_affine(steps), *_dropout(steps, tuple(mean), image), *_order(steps)]
    why = "; ".join(what for what, _ in breaches) or f"all there: {_RULE}"
    fix = tuple(remedy for _, remedy in breaches)
    return Verdict(name=NAME, expr=_RULE, value=not breaches, ok=not breaches, why=why, fix=fix)


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


def _order(steps: tuple[_Transform, ...]) -> Iterator[_Breach]:
    """What comes after the end of the pipeline, where images are tensors already."""
    names = [step.kinds[0] for step in steps]
    last = names.index("ToTensorV2") if "ToTensorV2" in names else len(names)
    for name in names[last + 1 :]:
        if name in {"HorizontalFlip", "ShiftScaleRotate", "Affine", "CoarseDropout"}:
            yield f"{name} comes after ToTensorV2, where it does not work", f"move ToTensorV2 after {name}"


def _dropout(steps: tuple[_Transform, ...], mean: tuple[float, ...], image: tuple[int, ...]) -> Iterator[_Breach]:
    found, scale, size = [], _pixels(len(mean)), image
    for step in steps:
        if step.kinds[0] == "CoarseDropout":
            found.append(list(_holes(step, scale, mean, size)))
        scale, size = _rescaled(scale, step), _resized(size, step)
    if not found:
        fill = _rounded(_pixels(len(mean)).of(mean))
        yield "no coarse dropout", f"add CoarseDropout({_wanted()}, fill={fill}, fill_mask=None)"
    elif all(found):
        yield from min(found, key=len)


def _pixels(channels: int) -> _Scale:
    return _Scale(factor=(255.0,) * channels, shift=(0.0,) * channels, words="on images of 0 to 255")


def _rescaled(scale: _Scale, step: _Transform) -> _Scale:
    """The scale of images behind a transform."""
    kind, s = step.kinds[0], step.settings
    if kind not in {"Normalize", "ToFloat", "FromFloat"}:
        return scale
    if not step.is_certain:
        return replace(scale, unknown=f"{kind} before it does not run on every image")
    if kind == "FromFloat":
        most = s.get("max_value") or 255.0
        return _mapped(scale, (most,), (0.0,), "on images of 0 to 255")
    if kind == "ToFloat":
        return _mapped(scale, (1 / (s.get("max_value") or 255.0),), (0.0,), "on images of 0 to 1")
    if s.get("normalization", "standard") != "standard":
        return replace(scale, unknown=f"Normalize(normalization={s['normalization']!r}) before it goes by each image")
    means, stds, most = _list(s.get("mean", _IMAGENET[0])), _list(s.get("std", _IMAGENET[1])), s.get("max_pixel_value")
    factors = [1 / (d * (most or 255.0)) for d in stds]
    return _mapped(scale, factors, [-m / d for m, d in zip(means, stds, strict=True)], "on normalised images")


def _mapped(scale: _Scale, factors: Sequence[float], shifts: Sequence[float], words: str) -> _Scale:
    """The scale after ``factor * pixel + shift``, each for every channel or one for all."""
    n = len(scale.factor)
    factors, shifts = (list(v) * n if len(v) == 1 else list(v) for v in (factors, shifts))
    if len(factors) != n or len(shifts) != n:
        return replace(scale, unknown=f"its normalisation has {len(factors)} channels, the mean {n}")
    return replace(
        scale,
        factor=tuple(f * old for f, old in zip(factors, scale.factor, strict=True)),
        shift=tuple(f * old + s for f, old, s in zip(factors, scale.shift, shifts, strict=True)),
        words=words,
    )


def _list(value: Any) -> Sequence[float]:
    return list(value) if hasattr(value, "__iter__") else [value]


def _resized(size: tuple[int, ...], step: _Transform) -> tuple[int, ...]:
    """Height and width of images behind a transform, where it says them."""
    s = step.settings
    if step.kinds[0] == "PadIfNeeded":
        least = (s.get("min_height") or 0, s.get("min_width") or 0)
        return tuple(max(a, b) for a, b in zip(size, least, strict=True))
    if "Crop" in step.kinds[0] or step.kinds[0] == "Resize":
        new = s.get("size") or (s.get("height"), s.get("width"))
        return tuple(new) if isinstance(new, Sequence) and all(isinstance(n, int) for n in new) else size
    return size


def _holes(step: _Transform, scale: _Scale, mean: tuple[float, ...], image: tuple[int, ...]) -> Iterator[_Breach]:
    """What a coarse dropout does otherwise than the rule says."""
    s = step.settings
    if step.ignored or (step.written and step.written.refused):
        yield (
            _of_version_1(step, scale, mean, image),
            f"use the names of version 2: {_wanted()}, fill={_rounded(scale.of(mean))}, fill_mask=None",
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
    yield from _fill(s, scale, mean)


def _of_version_1(step: _Transform, scale: _Scale, mean: tuple[float, ...], image: tuple[int, ...]) -> str:
    """What a call in the names of version 1 says, and what runs instead."""
    s, written = step.settings, step.written
    runs = (
        f"it cuts {_text(s['num_holes_range'])} holes of {_text(s['hole_height_range'])} by "
        f"{_text(s['hole_width_range'])} of the image, filled with {s['fill']!r}"
    )
    if written is None:
        return f"CoarseDropout ignores {', '.join(step.ignored)}: {runs}"
    old = replace(step, settings=written.as_version_1(), ignored=(), written=None)
    breaches = [what for what, _ in _holes(old, scale, mean, image)]
    is_fill_alone = [b for b in breaches if b.startswith("its fill")] == breaches and _is_mean_somewhere(old, mean)
    does = "holds" if not breaches or is_fill_alone else f"does not hold ({'; '.join(breaches)})"
    link = "nor" if does != "holds" else "not"
    ending = f"which refuses the call: {written.refused}" if written.refused else (
        f"which ignores {', '.join(step.ignored)}: {runs}")  # fmt: skip
    aside = f"; under both {breaches[0]}" if breaches and is_fill_alone else ""
    return f"CoarseDropout {does} under albumentations 1, {link} under the installed {written.version}, {ending}{aside}"


def _is_mean_somewhere(step: _Transform, mean: tuple[float, ...]) -> bool:
    """Whether a fill is the mean in one scale, if not in the one that images have there."""
    whole = replace(_pixels(len(mean)), factor=(1.0,) * len(mean))
    return any(_is_mean(step.settings["fill_value"], scale, mean) for scale in (whole, _pixels(len(mean))))


def _fill(s: Mapping[str, Any], scale: _Scale, mean: tuple[float, ...]) -> Iterator[_Breach]:
    fill = s["fill_value"] if _old(s) else s["fill"]
    if scale.unknown:
        yield f"its fill {fill!r} cannot be judged: {scale.unknown}", "move CoarseDropout to the front"
    elif not _is_mean(fill, scale, mean):
        wanted = _rounded(scale.of(mean))
        yield f"its fill {fill!r} is not the data set's mean, {wanted} {scale.words}", f"fill={wanted} {scale.words}"
    if (mask := s["mask_fill_value"] if _old(s) else s["fill_mask"]) is not None:
        yield f"it fills masks with {mask!r}", "fill_mask=None"


def _rounded(values: Sequence[float]) -> float | tuple[float, ...]:
    """Values to be written into a call: whole numbers of 0 to 255, else four digits; one where all are equal."""
    found = tuple(round(v) if max(values) > 2 else round(v, 4) + 0.0 for v in values)
    whole = tuple(int(v) if v == int(v) else v for v in found)
    return whole[0] if len(set(whole)) == 1 else whole


def _is_mean(fill: Any, scale: _Scale, mean: tuple[float, ...]) -> bool:
    """Whether ``fill`` is the mean as images have it there, per channel or one number for all."""
    if hasattr(fill, "tolist"):
        fill = fill.tolist()
    wanted, grey = scale.of(mean), tuple(abs(f) * _GREY_LEVEL for f in scale.factor)
    if not isinstance(fill, Sequence):
        fill, wanted, grey = [fill], (sum(wanted) / len(wanted),), (sum(grey) / len(grey),)
    if len(fill) != len(wanted) or not all(isinstance(v, (int, float)) for v in fill):
        return False
    return all(abs(v - w) <= g for v, w, g in zip(fill, wanted, grey, strict=True))


def _range(s: Mapping[str, Any], old: str, new: str, whole: tuple[int, int]) -> tuple[Any, Any]:
    """Lower and upper bound of a setting in pixels (or holes), from either version's names."""
    if _old(s):
        most = s[f"max_{old}"]
        least = s.get(f"min_{old}")
        low, high = (most if least is None else least, most)
        is_share = [isinstance(low, float), isinstance(high, float)]
    else:
        low, high = _pair(s[new])
        # The installed version goes by the upper end of the height, for both sides; 16.0 is 16 pixels to it.
        is_share = [new != "num_holes_range" and _pair(s["hole_height_range"])[1] < 1] * 2
    return tuple(int(b * w) if part else int(b) for b, w, part in zip((low, high), whole, is_share, strict=True))  # type: ignore[return-value]


def _pair(value: Any) -> tuple[Any, Any]:
    """Lower and upper end of a range, which may be one number."""
    return (value[0], value[1]) if isinstance(value, Sequence) else (value, value)


def _old(s: Mapping[str, Any]) -> bool:
    return "max_holes" in s


def _wanted() -> str:
    return f"num_holes_range=(1, 1), hole_height_range=({_SIDE}, {_SIDE}), hole_width_range=({_SIDE}, {_SIDE})"


def _text(bounds: tuple[Any, Any]) -> str:
    return str(bounds[0]) if bounds[0] == bounds[1] else f"{bounds[0]} to {bounds[1]}"


_CHOOSES = ("OneOf", "SomeOf", "RandomOrder", "OneOrOther", "SelectiveChannelTransform")


def _steps(node: Any, *, is_certain: bool = True) -> Iterator[_Transform]:
    """The transforms of a pipeline that can run, compositions opened, in order."""
    if isinstance(node, Mapping):
        yield from _from_dict(node.get("transform", node), is_certain=is_certain)
    elif isinstance(node, Sequence):
        for child in node:
            yield from _steps(child, is_certain=is_certain)
    elif getattr(node, "p", 1) and getattr(node, "n", 1):
        is_certain = is_certain and getattr(node, "p", 1) >= 1
        children = getattr(node, "transforms", None)
        if children is not None:
            chooses = type(node).__name__ in _CHOOSES and len(children) > 1
            yield from _steps(list(children), is_certain=is_certain and not chooses)
        else:
            yield _from_object(node, is_certain=is_certain)


def _from_object(transform: Any, *, is_certain: bool) -> _Transform:
    kinds = tuple(c.__name__ for c in type(transform).__mro__)
    return _Transform(
        kinds=kinds,
        settings=_with_defaults(kinds[0], vars(transform)),
        is_certain=is_certain,
        ignored=tuple(getattr(transform, "invalid_args", ())),
        written=vars(transform).get(WRITTEN),
    )


def _from_dict(node: Mapping[str, Any], *, is_certain: bool) -> Iterator[_Transform]:
    if not node.get("p", 1) or not node.get("n", 1):
        return
    is_certain = is_certain and (node.get("p", 1) >= 1 or bool(node.get("always_apply")))
    kind = str(node.get("__class_fullname__", "")).rpartition(".")[2]
    if "transforms" in node:
        yield from _steps(node["transforms"], is_certain=is_certain and kind not in _CHOOSES)
        return
    yield _Transform(kinds=(kind,), settings=_with_defaults(kind, node), is_certain=is_certain)


def _with_defaults(kind: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a coarse dropout leaves unsaid is its version's default; the names tell the version."""
    if kind != "CoarseDropout":
        return settings
    old = _OLD_NAMES & set(settings) and not set(_NEW_DEFAULTS) & set(settings)
    return (_OLD_DEFAULTS if old else _NEW_DEFAULTS) | dict(settings)
