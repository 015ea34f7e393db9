"""The pixel scale and the image size after each transform of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from constraints.augmentation_steps import Transform

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Default mean and standard deviation of a normalisation."""
_SCALING = frozenset({"FromFloat", "Normalize", "ToFloat"})
GREY_LEVEL = 1 / 255
"""One of 256 grey levels, in the scale 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The map from a pixel in 0 to 1 to its value at a point of a pipeline: ``factor * pixel + shift``, per channel."""

    factor: tuple[float, ...]
    shift: tuple[float, ...]
    words: str
    unknown: str = ""
    """Why the scale is unknown; empty if it is known."""

    def of(self, pixel: Sequence[float]) -> tuple[float, ...]:
        """The value of a pixel in this scale."""
        return tuple(f * p + s for f, p, s in zip(self.factor, pixel, self.shift, strict=True))


def pixels(channels: int) -> Scale:
    """The scale at the start of a pipeline."""
    return Scale(factor=(255.0,) * channels, shift=(0.0,) * channels, words="on images of 0 to 255")


def _why_unknown(step: Transform) -> str:
    """Why the scale after a transform is unknown; empty if it is known."""
    kind, way = step.kinds[0], step.settings.get("normalization", "standard")
    if step.is_own:
        return f"the code of {kind} before it may change the scale"
    if kind in _SCALING and not step.is_certain:
        return f"{kind} before it does not run on every image"
    is_by_image = kind == "Normalize" and way != "standard"
    return f"Normalize(normalization={way!r}) before it goes by each image" if is_by_image else ""


def rescaled(scale: Scale, step: Transform) -> Scale:
    """The scale of images after a transform."""
    kind, s = step.kinds[0], step.settings
    if unknown := _why_unknown(step):
        return replace(scale, unknown=unknown)
    if kind not in _SCALING:
        return scale
    if kind == "FromFloat":
        most = s.get("max_value") or 255.0
        return _mapped(scale, (most,), (0.0,), "on images of 0 to 255")
    if kind == "ToFloat":
        return _mapped(scale, (1 / (s.get("max_value") or 255.0),), (0.0,), "on images of 0 to 1")
    means, stds, most = _list(s.get("mean", _IMAGENET[0])), _list(s.get("std", _IMAGENET[1])), s.get("max_pixel_value")
    factors = [1 / (d * (most or 255.0)) for d in stds]
    return _mapped(scale, factors, [-m / d for m, d in zip(means, stds, strict=True)], "on normalised images")


def _mapped(scale: Scale, factors: Sequence[float], shifts: Sequence[float], words: str) -> Scale:
    """The scale after a further ``factor * pixel + shift``, with one value per channel or one for all."""
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


def resized(size: tuple[int, ...], step: Transform) -> tuple[int, ...]:
    """Height and width of images after a transform, if it sets them."""
    s = step.settings
    if step.kinds[0] == "PadIfNeeded":
        least = (s.get("min_height") or 0, s.get("min_width") or 0)
        return tuple(max(a, b) for a, b in zip(size, least, strict=True))
    if "Crop" in step.kinds[0] or step.kinds[0] == "Resize":
        new = s.get("size") or (s.get("height"), s.get("width"))
        return tuple(new) if isinstance(new, Sequence) and all(isinstance(n, int) for n in new) else size
    return size
