"""Judge an albumentations pipeline against the assignment's rule 6, with the argument names of versions 1 and 2.

The rule: a horizontal flip; a shift-scale-rotate; one coarse dropout of 16 x 16 pixels filled with the data
set's mean and leaving masks alone. Other transforms and any probabilities are allowed, but a transform that
never runs (p = 0) does not count. Pure: nothing here imports albumentations, so a pipeline can also be given
as its ``to_dict()``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from constraints.augmentation_scale import GREY_LEVEL, Scale, pixels, rescaled, resized
from constraints.augmentation_steps import Transform, transforms
from constraints.verdicts import Verdict

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
"""Mean of CIFAR-10's training images per channel, in the scale 0 to 1."""

NAME = "augmentation"
"""Name of the rule's verdict."""
_RULE = "horizontal flip, shift-scale-rotate, one 16x16 coarse dropout filled with the mean"
_HOLES, _SIDE = 1, 16


def judge_augmentation(
    transform: Any, mean: Sequence[float] = CIFAR10_MEAN, *, image: tuple[int, ...] = (32, 32)
) -> Verdict:
    """Judge whether a pipeline satisfies rule 6; each violation has its remedy in ``fix``.

    ``transform`` is a transform instance (compositions included) or its ``to_dict()``; ``mean`` is the data set's,
    per channel in 0 to 1. Images enter with pixels of 0 to 255; a fill must equal the mean, to within one grey
    level, in the scale that images have at that transform (a normalisation before it changes the scale). ``image`` is
    the height and width to which holes given as fractions refer.
    """
    steps = tuple(transforms(transform))
    breaches = [*_flip(steps), *_affine(steps), *_dropout(steps, tuple(mean), image), *_order(steps)]
    why = "; ".join(what for what, _ in breaches) or f"all there: {_RULE}"
    fix = tuple(remedy for _, remedy in breaches)
    return Verdict(name=NAME, expr=_RULE, value=not breaches, ok=not breaches, why=why, fix=fix)


_Breach = tuple[str, str]


def _flip(steps: tuple[Transform, ...]) -> Iterator[_Breach]:
    found = [step for step in steps if step.kinds[0] == "HorizontalFlip"]
    if not found:
        yield "no horizontal flip", "add HorizontalFlip(p=0.5)"
    elif all(step.never for step in found):
        yield from _never_applied("horizontal flip", found[0])


def _affine(steps: tuple[Transform, ...]) -> Iterator[_Breach]:
    remedy = "add ShiftScaleRotate(), or Affine with translate_percent, scale and rotate"
    found = [step for step in steps if {"ShiftScaleRotate", "Affine"} & set(step.kinds)]
    if not found:
        yield "no shift-scale-rotate", remedy
        return
    best = min(_applied(found), key=lambda step: len(_idle(step)))
    yield from _never_applied("shift-scale-rotate", best)
    if least := _idle(best):
        yield f"the shift-scale-rotate does not {' or '.join(least)}", remedy


def _applied(found: Sequence[Transform]) -> Sequence[Transform]:
    """Those that can run; all of them where none can."""
    return [step for step in found if not step.never] or found


def _never_applied(what: str, step: Transform) -> Iterator[_Breach]:
    """Violations by a part of the pipeline that is there and never runs."""
    for call in step.never:
        is_own = call == f"{step.kinds[0]}(p=0)"
        where = "" if is_own else f" around {step.kinds[0]}"
        remedy = call.replace("=0)", "=0.5)" if is_own else "=1)")
        yield f"the {what} is there but never applied: {call}{where}", f"{remedy}{where}"


def _idle(step: Transform) -> tuple[str, ...]:
    """Which of shift, scale and rotate the transform does not do."""
    s = step.settings
    shift = [s.get(k) for k in ("translate_percent", "translate_px", "shift_limit_x", "shift_limit_y", "shift_limit")]
    moves = {
        "shift": any(_spread(v, 0) for v in shift),
        # a scale limit is given around 0 but stored around 1
        "scale": _spread(s.get("scale"), 1) or (_spread(s.get("scale_limit"), 0) and _spread(s.get("scale_limit"), 1)),
        "rotate": _spread(s.get("rotate"), 0) or _spread(s.get("rotate_limit"), 0),
    }
    if step.kinds[0] == "ShiftScaleRotate" and any(moves.values()):
        return ()  # the rule names this transform; any limits are allowed
    return tuple(name for name, there in moves.items() if not there)


def _spread(value: Any, neutral: float) -> bool:
    """Whether a range (a number, a pair, or one for each axis) contains more than the value that changes nothing."""
    if isinstance(value, Mapping):
        return any(_spread(v, neutral) for v in value.values())
    if isinstance(value, Sequence):
        return any(_spread(v, neutral) for v in value)
    return value is not None and value != neutral


def _order(steps: tuple[Transform, ...]) -> Iterator[_Breach]:
    """Violations: transforms after ToTensorV2, where images are already tensors."""
    names = [step.kinds[0] for step in steps if not step.never]
    last = names.index("ToTensorV2") if "ToTensorV2" in names else len(names)
    for name in names[last + 1 :]:
        if name in {"HorizontalFlip", "ShiftScaleRotate", "Affine", "CoarseDropout"}:
            yield f"{name} comes after ToTensorV2, where it does not work", f"move ToTensorV2 after {name}"


def _dropout(steps: tuple[Transform, ...], mean: tuple[float, ...], image: tuple[int, ...]) -> Iterator[_Breach]:
    found, scale, size = list[tuple[Transform, list[_Breach]]](), pixels(len(mean)), image
    for step in steps:
        if step.kinds[0] == "CoarseDropout":
            found.append((step, list(_holes(step, scale, mean, size))))
        if not step.never:
            scale, size = rescaled(scale, step), resized(size, step)
    if not found:
        fill = _rounded(pixels(len(mean)).of(mean))
        yield "no coarse dropout", f"add CoarseDropout({_wanted()}, fill={fill}, fill_mask=None)"
        return
    applied = _applied([step for step, _ in found])
    best, breaches = min((pair for pair in found if pair[0] in applied), key=lambda pair: len(pair[1]))
    yield from _never_applied("coarse dropout", best)
    yield from breaches


def _holes(step: Transform, scale: Scale, mean: tuple[float, ...], image: tuple[int, ...]) -> Iterator[_Breach]:
    """Violations of the rule by a coarse dropout."""
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


def _of_version_1(step: Transform, scale: Scale, mean: tuple[float, ...], image: tuple[int, ...]) -> str:
    """What a call with the argument names of version 1 means, and what runs instead."""
    s, written = step.settings, step.written
    count = _text(s["num_holes_range"])
    runs = (
        f"it cuts {count} hole{'s' * (count != '1')} of {_text(s['hole_height_range'])} by "
        f"{_text(s['hole_width_range'])} of the image, filled with {s['fill']!r}"
    )
    if written is None:
        return f"CoarseDropout ignores {', '.join(step.ignored)}: {runs}"
    old = replace(step, settings=written.as_version_1(), ignored=(), written=None)
    breaches = [what for what, _ in _holes(old, scale, mean, image)]
    is_fill_alone = [b for b in breaches if b.startswith("its fill")] == breaches and _is_mean_somewhere(old, mean)
    does = "holds" if not breaches or is_fill_alone else f"does not hold ({'; '.join(breaches)})"
    link = "not" if does == "holds" else "nor"
    ending = f"which rejects the call: {written.refused}" if written.refused else (
        f"which ignores {', '.join(step.ignored)}: {runs}")  # fmt: skip
    but, aside = (", but for the scale of its fill", f"; {breaches[0]}") if breaches and is_fill_alone else ("", "")
    now = f"{link} under the installed {written.version}, {ending}"
    return f"CoarseDropout {does} under albumentations 1{but}, {now}{aside}"


def _is_mean_somewhere(step: Transform, mean: tuple[float, ...]) -> bool:
    """Whether a fill is the mean in some scale, even if not in the one that images have there."""
    whole = replace(pixels(len(mean)), factor=(1.0,) * len(mean))
    return any(_is_mean(step.settings["fill_value"], scale, mean) for scale in (whole, pixels(len(mean))))


def _fill(s: Mapping[str, Any], scale: Scale, mean: tuple[float, ...]) -> Iterator[_Breach]:
    fill = s["fill_value"] if _old(s) else s["fill"]
    if scale.unknown:
        remedy = f"move CoarseDropout to the front, with fill={_rounded(pixels(len(mean)).of(mean))}"
        yield f"its fill {fill!r} cannot be judged: {scale.unknown}", remedy
    elif not _is_mean(fill, scale, mean):
        wanted = _rounded(scale.of(mean))
        yield f"its fill {fill!r} is not the data set's mean, {wanted} {scale.words}", f"fill={wanted} {scale.words}"
    if (mask := s["mask_fill_value"] if _old(s) else s["fill_mask"]) is not None:
        yield f"it fills masks with {mask!r}", "fill_mask=None"


def _rounded(values: Sequence[float]) -> float | tuple[float, ...]:
    """Values as written into a call: integers for a scale of 0 to 255, else four digits; one value if all are equal."""
    found = tuple(round(v) if max(values) > 2 else round(v, 4) + 0.0 for v in values)
    whole = tuple(int(v) if v == int(v) else v for v in found)
    return whole[0] if len(set(whole)) == 1 else whole


def _is_mean(fill: Any, scale: Scale, mean: tuple[float, ...]) -> bool:
    """Whether ``fill`` equals the mean in the scale of the images there, per channel or as one number for all."""
    if hasattr(fill, "tolist"):
        fill = fill.tolist()
    wanted, grey = scale.of(mean), tuple(abs(f) * GREY_LEVEL for f in scale.factor)
    if not isinstance(fill, Sequence):
        fill, wanted, grey = [fill], (sum(wanted) / len(wanted),), (sum(grey) / len(grey),)
    if len(fill) != len(wanted) or not all(isinstance(v, (int, float)) for v in fill):
        return False
    return all(abs(v - w) <= g for v, w, g in zip(fill, wanted, grey, strict=True))


def _range(s: Mapping[str, Any], old: str, new: str, whole: tuple[int, int]) -> tuple[Any, Any]:
    """Lower and upper bound of a setting in pixels (or holes), by the argument names of either version."""
    if _old(s):
        most = s[f"max_{old}"]
        least = s.get(f"min_{old}")
        low, high = (most if least is None else least, most)
        is_share = [isinstance(low, float), isinstance(high, float)]
    else:
        low, high = _pair(s[new])
        # The installed version decides by the upper end of the height, for both sides; it reads 16.0 as 16 pixels.
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
