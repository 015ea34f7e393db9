"""Networks for other images and classes than those that they were written for."""

from __future__ import annotations

from dataclasses import replace

from constraints.errors import UnusableInputError
from nas.architecture.spec import DEFAULT_CLASSES, DEFAULT_INPUT, Architecture, ArchitectureError, Block, Shape


def adapted(network: Architecture, input: Shape, classes: int) -> Architecture:
    """The same layers for other images and classes; UnusableInputError where they do not fit these.

    A last layer whose channels are the classes gets as many channels as there are classes now.
    """
    stages, last = network.stages, network.stages[-1][-1]
    ends_with_classes = network.head == "gap" and network.classes != classes and not last.keeps_shape
    if ends_with_classes:
        component = last.components[0].with_out_channels(classes)
        stages = (*stages[:-1], (*stages[-1][:-1], Block(components=(component,))))
    try:
        return replace(network, stages=stages, input=input, classes=classes)
    except ArchitectureError as error:
        raise UnusableInputError(f"{network} does not fit {data_text(input, classes)}: {error}") from None


def for_data(network: Architecture, input: Shape, classes: int) -> Architecture:
    """``adapted`` where the network's text does not say for which data it is; UnusableInputError where it says others.

    A text that says nothing is read as one for the default images and classes.
    """
    if (network.input, network.classes) not in {(DEFAULT_INPUT, DEFAULT_CLASSES), (input, classes)}:
        raise UnusableInputError(
            f"{network} is for {data_text(network.input, network.classes)}, not {data_text(input, classes)}: give the "
            "text without its input and classes"
        )
    return adapted(network, input, classes)


def data_text(input: Shape, classes: int) -> str:
    """Images and classes, in words."""
    return f"images of {'x'.join(map(str, input))} and {classes} classes"
