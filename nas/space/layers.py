"""The layer words of a space file: ``c3``, ``c3d2``, ``c3g4``, ``sep5``, ``pw``."""

from __future__ import annotations

import re

from constraints.errors import UnusableInputError
from nas.architecture.spec import Conv

_WORD = re.compile(r"(?:(?P<kind>c|sep)(?P<kernel>\d+)(?:d(?P<dilation>[1-9]\d*))?(?:g(?P<groups>[1-9]\d*))?|pw)")


def check_word(word: str) -> str:
    """``word`` itself; ValueError where it names no layer."""
    match = _WORD.fullmatch(word)
    kernel = int(match["kernel"] or 1) if match else 0
    if (
        match is None
        or not kernel % 2
        or (match["kind"] == "sep" and match["groups"])
        or (kernel == 1) != (word == "pw")
    ):
        raise ValueError("not a layer: write c3, c5d2, c3g4, sep5, sep3d2 (odd kernels above 1) or pw")
    return word


def groups_of(word: str) -> int:
    """Number of groups that the layer splits its channels into (1 where it does not)."""
    match = _WORD.fullmatch(word)
    return int(match["groups"] or 1) if match else 1


def convs(
    word: str, channels: int, out: int, *, post: tuple[str, ...], stride: int = 1, dilation: int | None = None
) -> tuple[Conv, ...]:
    """The convolutions of one layer from ``channels`` to ``out``; ``dilation`` overrides the word's own.

    A depthwise-separable layer is two: depthwise (it carries kernel, stride and dilation), then pointwise.
    """
    match = _WORD.fullmatch(word)
    if match is None:
        raise UnusableInputError(f"not a layer: {word!r}: write c3, c5d2, c3g4, sep5, sep3d2 or pw")
    if word == "pw":
        return (Conv(out=out, kernel=1, stride=stride, post=post),)
    kernel, own = int(match["kernel"]), int(match["dilation"] or 1)
    spread = own if dilation is None else dilation
    if match["kind"] == "sep":
        depthwise = Conv(out=channels, kernel=kernel, stride=stride, dilation=spread, groups=channels, post=post)
        return depthwise, Conv(out=out, kernel=1, post=post)
    groups = int(match["groups"] or 1)
    return (Conv(out=out, kernel=kernel, stride=stride, dilation=spread, groups=groups, post=post),)
