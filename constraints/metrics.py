"""The metrics that a network is judged by: frozen values, each with its unit and definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

LATENCY, ONNX_LATENCY = "latency_ms", "latency_ms_onnxruntime"
LATENCIES = (LATENCY, ONNX_LATENCY)
"""Metrics that depend on the machine; they are measured only if a constraint names them."""


Need = Literal["parameters", "field", "map", "layers", "products", "linear", "maxima", "averages"]
"""What must be known of a run: the number of its parameters; the judged map's field; which map that is; and that no
operation without a rule contains layers, products, linear layers after the pool, maxima, averages over the map."""


def _metric(definition: str, *details: str, unit: str = "", needs: tuple[Need, ...] = ("layers",)) -> Any:
    """A metric that is unknown where one of its ``needs`` is."""
    return field(metadata={"definition": definition, "details": ". ".join(details), "unit": unit, "needs": needs})


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Every metric of one network for one input sample; ``None`` where a metric is unknown.

    ``python -m tests.published`` writes the table of docs/metrics.md and the metrics of report.schema.json from here.
    """

    params: int = _metric(
        "every registered parameter once, called or not",
        "A shared module counts once",
        "A parameter that the forward pass never uses is named in `warnings`",
        needs=("parameters",),
    )
    trainable_params: int = _metric("the parameters that require a gradient", needs=("parameters",))
    macs: int = _metric(
        "multiply-accumulates of one sample in convolutions and matrix products, bias not counted",
        "Distances of rows (`cdist`) count as their product",
        "Products of weights alone, which no sample enters, are not counted",
        needs=("layers", "products", "linear"),
    )
    receptive_field: int | None = _metric("the smaller side of receptive_field_hw", unit="px", needs=("field",))
    receptive_field_hw: tuple[int, ...] | None = _metric(
        "the theoretical receptive field of a unit of the last feature map before global pooling, per spatial axis",
        "Where nothing is pooled globally, it is of the last map with two spatial axes",
        "Where units differ, as after transposed convolutions and interpolation, the largest interior one counts",
        "Branches that meet take the hull of what they see",
        "It is not clipped at the image's border",
        unit="px",
        needs=("field",),
    )
    global_context: bool | None = _metric(
        "some unit also sees the whole map through a gate or an attention",
        "A gate (a globally pooled value that only scales or shifts a map) neither enlarges the receptive field, nor "
        "ends it, nor counts as a global average pool",
        needs=("map",),
    )
    convs: int = _metric("convolution layers that were called, each once")
    dilated_convs: int = _metric("convolutions whose dilation exceeds 1 on an axis where the kernel exceeds 1")
    depthwise_convs: int = _metric("convolutions with groups == in_channels > 1", "Any multiplier counts")
    depthwise_separable_convs: int = _metric(
        "depthwise ones that reach a pointwise one through nothing that mixes",
        "Pointwise is a 1x1, groups = 1 convolution, or a linear layer over channels; norms, activations, dropout, "
        "concatenation, permutes and identities do not mix",
    )
    global_average_pools: int = _metric(
        "averages over the whole map, in any form",
        "A module, a functional call, a mean over both spatial axes, an average pool as large as the map. Not one of a "
        "slice that leaves out places of the map, which a warning names",
        needs=("map", "averages"),
    )
    max_pools: int = _metric("spatial maxima, in any form", "Global ones count too", needs=("layers", "maxima"))
    fully_connected: int = _metric(
        "linear layers after the global pool",
        "None after a pool of a slice that leaves out places of the map, which a warning names",
        needs=("map", "layers", "linear"),
    )
    stages: int = _metric(
        "parts of the main path, each ended by a strided (or, where constraints need it, a dilated) convolution",
        "Spatial (larger than 1x1) convolutions after the last one make one more",
    )
    convs_per_stage: tuple[int, ...] = _metric(
        "convolutions of each stage, a depthwise-separable pair as one",
        "The pair is in the stage of its depthwise part",
    )
    downsampled_by: tuple[float, ...] | None = _metric(
        "input size over the size of the map of receptive_field", needs=("field",)
    )
    peak_activation_bytes: int = _metric(
        "largest sum of tensors alive at once in a float32 forward pass",
        "Input and output are included, weights are not",
        unit="B",
        needs=(),
    )
    peak_activation_bytes_int8: int = _metric(
        "peak_activation_bytes where each real number takes one byte",
        "Whole numbers and truth values of the forward pass keep their own size",
        unit="B",
        needs=(),
    )
    weight_bytes: int = _metric("four bytes for every parameter, as float32 takes", unit="B", needs=("parameters",))
    weight_bytes_float16: int = _metric(
        "two bytes for every parameter, as float16 and bfloat16 take", unit="B", needs=("parameters",)
    )
    weight_bytes_int8: int = _metric(
        "one byte for an element of a parameter of two axes or more, four for one of a parameter of fewer",
        "Kernels and matrices are int8; biases, and the scale and shift of norms, are int32",
        unit="B",
        needs=("parameters",),
    )
    flash_bytes: int = _metric(
        "what a microcontroller stores of the network: weight_bytes_int8",
        "The sum of uNAS (Liberis et al., arXiv 2010.14246) and MCUNet (Lin et al., arXiv 2007.10319), which leave the "
        "program out, with biases at four bytes. Batch norms are not folded: their two values stay, as the multiplier "
        "and the bias by which each channel of an int8 convolution is scaled",
        unit="B",
        needs=("parameters",),
    )
    ram_bytes: int = _metric(
        "largest sum of int8 tensors alive at once, with elementwise operations in place",
        "What a microcontroller holds while it runs the network, as uNAS counts it: the operations run in the order of "
        "the calls; norms, activations, sums and products write over an operand of the same shape that nothing reads "
        "later. Unlike there the input is included. Convolutions are not in place, as depthwise ones are in MCUNet's "
        "TinyEngine; buffers of the kernels are not counted",
        unit="B",
        needs=(),
    )

    def as_dict(self) -> dict[str, Any]:
        """The metrics by name, tuples as lists, ready for JSON."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def definitions(cls) -> Mapping[str, tuple[str, str]]:
        """Name of each metric -> (definition, unit)."""
        return {f.name: (f.metadata["definition"], f.metadata["unit"]) for f in fields(cls)}

    @classmethod
    def needing(cls, *what: Need) -> tuple[str, ...]:
        """The metrics that are unknown where one of these is."""
        return tuple(f.name for f in fields(cls) if not set(what).isdisjoint(f.metadata["needs"]))


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One operation of the forward pass that computes or moves elements in space, in the order of the calls."""

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
