"""Whether a mask of a table of pairs, such as an attention mask, limits how far places see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

_NEVER = 1e3
"""A score lowered by this much gets weight 0 from a softmax, in double precision too."""
_MOST_ELEMENTS = 2**24
_TABLE = 2
"""Axes of a mask: queries, and keys."""

Blocked = Callable[[torch.Tensor], torch.Tensor]


def _added(mask: torch.Tensor) -> torch.Tensor:
    return ~mask if mask.dtype is torch.bool else mask <= -_NEVER


_PLACES: dict[str, tuple[tuple[int | str, Blocked], ...]] = {
    "add": ((0, _added), (1, _added)),
    "addmm": ((0, _added),),
    "baddbmm": ((0, _added),),
    "sub": ((1, lambda t: t >= _NEVER),),
    "mul": ((0, lambda t: t == 0), (1, lambda t: t == 0)),
    "masked_fill": ((1, lambda t: t != 0),),
    "where": ((0, lambda t: t != 0), (0, lambda t: t == 0)),
    "scaled_dot_product_attention": (("attn_mask", _added), ("attn_bias", _added), (3, _added)),
}
"""Operation -> the positions of arguments that may be a mask, each with a function that says which pairs it blocks."""


def may_mask(op: str) -> bool:
    """Whether one of an operation's arguments may be a mask."""
    return op in _PLACES or op.startswith("_scaled_dot")


def limits_reach(op: str, args: Sequence[Any], kwargs: Mapping[str, Any], is_known: Callable[[Any], bool]) -> bool:
    """Whether a mask among the arguments keeps every query from seeing the map from end to end.

    Rows of a mask are queries, columns are keys. A mask in which one row has both the first and the last column that
    any row has lets that place see across a map of any size; a causal mask is one. ``is_known`` says whether the values
    of a tensor are known.
    """
    masks = (blocked(t.detach()) for t, blocked in _candidates(op, args, kwargs) if is_known(t))
    return any(_is_within(blocked) for blocked in masks)


def _candidates(op: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[torch.Tensor, Blocked]]:
    for place, blocked in _PLACES.get(op, _PLACES["scaled_dot_product_attention"]):
        tensor = kwargs.get(place) if isinstance(place, str) else args[place] if place < len(args) else None
        if isinstance(tensor, torch.Tensor) and _is_table(tensor):
            yield tensor, blocked


def _is_table(tensor: torch.Tensor) -> bool:
    sizes = tensor.shape[-2:]
    return len(sizes) > 1 and min(sizes) > 1 and tensor.numel() <= _MOST_ELEMENTS and not tensor.is_meta


def _is_within(blocked: torch.Tensor) -> bool:
    if not blocked.any():
        return False
    allowed = ~blocked.flatten(0, -3) if blocked.dim() > _TABLE else ~blocked[None]
    seen = allowed.any(-2).int()
    first, behind = ((s.cumsum(-1) == 0).sum(-1) for s in (seen, seen.flip(-1)))
    ends = torch.stack([first, seen.shape[-1] - 1 - behind], -1).clamp(0, seen.shape[-1] - 1)[:, None]
    return not bool(allowed.gather(-1, ends.expand(-1, allowed.shape[1], -1)).all(-1).any())
