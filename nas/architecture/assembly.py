"""Architecture -> the calls that create its module, which ``model`` executes and ``codegen`` writes as source."""

from __future__ import annotations

from nas.architecture.calls import ModuleCall
from nas.architecture.spec import Architecture, Block


def block(block: Block, channels: int) -> ModuleCall:
    """The call that creates a block with ``channels`` input channels."""
    calls, width = [], channels
    for component in block.components:
        calls.append(component.call(width))
        width = component.out_channels(width)
    if not block.residual:
        return ModuleCall("Repeated", (block.calls, *calls)) if block.calls > 1 else calls[0]
    made = ModuleCall("ScaledResidual", (channels, *calls)) if block.scaled else ModuleCall("Residual", tuple(calls))
    return ModuleCall("Repeated", (block.calls, made)) if block.calls > 1 else made


def stages(architecture: Architecture) -> dict[str, tuple[ModuleCall, ...]]:
    """The blocks of each stage, by its name ``c1``, ``c2``, ..."""
    channels = {(p.stage, p.block): p.input[0] for p in reversed(architecture.placed)}
    return {
        f"c{s + 1}": tuple(block(one, channels[s, b]) for b, one in enumerate(stage))
        for s, stage in enumerate(architecture.stages)
    }


def head(architecture: Architecture) -> dict[str, ModuleCall]:
    """The layers after the stages, by name."""
    channels, classes = architecture.last_map[0], architecture.classes
    layers = {"pool": ModuleCall("nn.AdaptiveAvgPool2d", (1,))}
    if architecture.head == "conv":
        layers["conv"] = ModuleCall("nn.Conv2d", (channels, classes, 1))
    layers["flatten"] = ModuleCall("nn.Flatten")
    if architecture.head == "fc":
        layers["fc"] = ModuleCall("nn.Linear", (channels, classes))
    return layers
