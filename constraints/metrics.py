"""The metrics that a network is judged by: frozen values, each with its unit and definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


def _figure(definition: str, unit: str = "") -> Any:
    return field(metadata={"definition": definition, "unit": unit})


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Every metric of one network for one input sample; ``None`` where a metric cannot be known."""

    params: int = _figure("every registered parameter once, called or not")
    trainable_params: int = _figure("the parameters that require a gradient")
    macs: int = _figure("multiply-accumulates of one sample in convolutions and matrix products, bias not counted")
    receptive_field: int | None = _figure("the smaller side of receptive_field_hw", "px")
    receptive_field_hw: tuple[int, ...] | None = _figure(
        "what a unit of the last map before global pooling sees, per spatial axis, not clipped", "px"
    )
    global_context: bool | None = _figure("some unit also sees the whole map through a gate or an attention")
    convs: int = _figure("convolution layers that were called, each once")
    dilated_convs: int = _figure("convolutions whose dilation exceeds 1 on an axis where the kernel exceeds 1")
    depthwise_convs: int = _figure("convolutions with groups == in_channels > 1")
    depthwise_separable_convs: int = _figure("depthwise ones that reach a pointwise one through nothing that mixes")
    global_average_pools: int = _figure("averages over the whole map, in any form")
    max_pools: int = _figure("spatial maxima, in any form")
    fully_connected: int = _figure("linear layers after the global pool")
    stages: int = _figure("parts of the main path, each ended by a strided (or, where none is, a dilated) convolution")
    convs_per_stage: tuple[int, ...] = _figure("convolutions of each stage, a depthwise-separable pair as one")
    downsampled_by: tuple[int, ...] | None = _figure("input size over the size of the map of receptive_field")
    peak_activation_bytes: int = _figure("largest sum of tensors alive at once in a float32 forward pass", "B")

    def as_dict(self) -> dict[str, Any]:
        """The metrics by name, tuples as lists, ready for JSON."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def definitions(cls) -> Mapping[str, tuple[str, str]]:
        """Name of each metric -> (definition, unit)."""
        return {f.name: (f.metadata["definition"], f.metadata["unit"]) for f in fields(cls)}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One operation of the forward pass that computes or moves something in space, in the order of the calls."""

    name: str
    """Dotted path of the module that made the call, or the function's name where no module did."""
    op: str
    """The operation: ``conv2d``, ``max_pool2d``, ``batch_norm``, ``relu``, ..."""
    output: tuple[int, ...]
    """Shape of the result without the batch axis."""
    params: int = 0
    macs: int = 0
    receptive_field: tuple[int, ...] | None = None
    """Per spatial axis, in input pixels; ``None`` where unknown or where no spatial axis is left."""
    jump: tuple[float, ...] | None = None
    """Distance, in input pixels, between neighbouring units, per spatial axis (below 1 after upsampling)."""
    offset: tuple[int | None, ...] | None = None
    """The first input pixel that the first unit sees, per spatial axis: negative where it reaches into the padding,
    ``None`` where it sees no pixel."""
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, tuples as lists, ready for JSON."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
