"""Architecture -> the calls that make its module, which ``model`` makes and ``codegen`` writes as source."""

from __future__ import annotations

from nas.architecture.calls import Call
from nas.architecture.spec import Architecture, Block


def block(block: Block, channels: int) -> Call:
    """What makes a block that gets ``channels``."""
    calls, width = [], channels
    for unit in block.units:
        calls.append(unit.call(width))
        width = unit.out_channels(width)
    if block.scaled:
        return Call("ScaledResidual", (channels, *calls))
    return Call("Residual", tuple(calls)) if block.residual else calls[0]


def stages(architecture: Architecture) -> dict[str, tuple[Call, ...]]:
    """The blocks of each stage, by its name ``c1``, ``c2``, ..."""
    channels = {(p.stage, p.block): p.input[0] for p in reversed(architecture.placed)}
    return {
        f"c{s + 1}": tuple(block(one, channels[s, b]) for b, one in enumerate(stage))
        for s, stage in enumerate(architecture.stages)
    }


def head(architecture: Architecture) -> dict[str, Call]:
    """The layers behind the stages, by name."""
    channels, classes = architecture.last_map[0], architecture.classes
    layers = {"pool": Call("nn.AdaptiveAvgPool2d", (1,))}
    if architecture.head == "conv":
        layers["conv"] = Call("nn.Conv2d", (channels, classes, 1))
    layers["flatten"] = Call("nn.Flatten")
    if architecture.head == "fc":
        layers["fc"] = Call("nn.Linear", (channels, classes))
    return layers
