"""Whether the layers of a space's stages fit their places: widths, groups, shares of channels, the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.space import layer_words
from nas.space.stage_space import Form

if TYPE_CHECKING:
    from nas.space.space import Space


_MOST_PAIRS = 64**2
"""Of the widths of a stage and of the next one; last layers are judged for each, which takes seconds for so many."""


def check_written(space: Space, source: str) -> None:
    """Raise UnusableInputError where a file asks for more than can be counted, or for what has no effect.

    A study's own space is not checked: what an earlier release accepted stays valid.
    """
    usual = type(space.stages[0]).model_fields["stem"].default
    for number, stage in enumerate(space.stages, start=1):
        own, after = len(stage.width.values()), len(space.widths_after(number).values())
        if own * after > _MOST_PAIRS:
            raise UnusableInputError(
                f"{source}: stage {number} has {own:,} widths and what follows it {after:,}: "
                f"these are more than {_MOST_PAIRS:,} pairs: give one of them a larger step"
            )
        if number > 1 and stage.stem != usual:
            raise UnusableInputError(
                f"{source}: stages.{number}.stem: {stage.stem!r}: the first layer is in stage 1 alone: take the key out"
            )


def check_stage(space: Space, number: int, form: Form) -> None:
    """Raise ValueError where the layers of stage ``number`` (from 1) do not fit its place or its widths in a form."""
    stage = space.stages[number - 1]
    own = [word for word in stage.down if layer_words.read(word).residual]
    if own and (number < len(space.stages) or form != "strided"):
        raise ValueError(f"stage {number}: {own[0]!r} ends a stage by stride or dilation: take the {own[0][0]} off")
    if len({word.lstrip("+%") for word in stage.down}) < len(stage.down):
        raise ValueError(f"stage {number}: a layer of down is given with and without {own[0][0]}: give one of them")
    widths = [space.scaled(width, form) for width in stage.width.values()]
    after = [space.scaled(width, form) for width in space.widths_after(number).values()]
    if len(set(widths)) < len(widths) or len(set(after)) < len(after):
        raise ValueError(f"stage {number}: dilated_widths makes two widths equal: {space.dilated_widths}: raise it")
    for word in (*stage.body, *stage.down):
        groups = layer_words.read(word).groups
        for width in widths:
            if reason := layer_words.misfit(word, width):
                raise ValueError(f"stage {number}: {reason}")
        for width in (*widths, *after):
            if width % groups:
                raise ValueError(f"stage {number}: the groups of {word!r} do not divide the width {width}")
    if number == 1:
        _check_stem(space)


def _check_stem(space: Space) -> None:
    if any(side % space.stem_stride for side in space.input[1:]):
        height, width = space.input[1:]
        raise ValueError(f"stem_stride {space.stem_stride} does not divide images of {height}x{width} pixels")
    for word in space.stages[0].stem:
        if reason := layer_words.misfit(word, space.stem_channels):
            raise ValueError(f"stem: {reason}")
