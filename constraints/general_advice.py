"""General advice on a failing constraint, in words, for when no tried change fixes it."""

from __future__ import annotations

from collections.abc import Mapping

from constraints.candidates import SAME, need
from constraints.verdicts import Verdict

_UNTRIED = "untried: "
_FRUITLESS = "{} tried, none of which fixes it; in words: "
_ADVICE: Mapping[str, tuple[str, str]] = {
    "receptive_field": (
        "stride earlier, dilate, use larger kernels, or add layers",
        "stride later, dilate less, or use smaller kernels",
    ),
    "params": (
        "widen layers or add some",
        "narrow the widest layers, or split them into depthwise and 1x1 convolutions",
    ),
    "macs": ("widen layers or stride later", "stride earlier, or narrow the layers on the largest maps"),
    "peak_activation_bytes": (
        "widen the layers on the largest maps",
        "narrow or stride the layers on the largest maps",
    ),
    "dilated_convs": ("give a convolution larger than 1x1 a dilation of 2", "set dilations back to 1"),
    "depthwise_convs": ("set groups to in_channels in a convolution", "set groups back to 1"),
    "depthwise_separable_convs": (
        "replace a convolution by a depthwise one and a 1x1 right after it",
        "replace a depthwise convolution and its 1x1 by one plain convolution",
    ),
    "global_average_pools": (
        "average the last map over both spatial axes (AdaptiveAvgPool2d(1)) before the output",
        "keep one average over the whole map and take the others out",
    ),
    "max_pools": (
        "add a max-pool",
        "replace each max-pool by a stride of 2 in the convolution before it, a maximum over the whole map by its mean",
    ),
    "fully_connected": (
        "add a linear layer after the global pool",
        "end in a 1x1 convolution in place of linear layers",
    ),
    "stages": ("add convolutions, or give further ones a stride of 2", "set strides back to 1"),
    "convs_per_stage": (
        "add convolutions to the stages that are short of them",
        "take convolutions out of the longest stages",
    ),
    "convs": ("add convolutions", "take convolutions out"),
    "downsampled_by": ("give further convolutions a stride of 2", "set strides back to 1"),
    "global_context": ("add a squeeze-and-excitation gate", "take gates and attention over the whole map out"),
    "classes": ("give the last layer more outputs", "give the last layer fewer outputs"),
}
"""Metric -> (what raises it, what lowers it), used where no tried change fixes it."""


def advice(verdict: Verdict, tried: int, reason: str = "") -> tuple[str, ...]:
    """What to change, in words, and the limits of the search; empty for a user-defined metric or ``!=``."""
    general, by = _ADVICE.get(verdict.name) or _ADVICE.get(SAME.get(verdict.name, "")), need(verdict)
    beginning = _FRUITLESS.format(tried) if tried else _UNTRIED
    why = f" ({reason})" if reason else ""
    return (beginning + general[by < 0] + why,) if general and by else ()
